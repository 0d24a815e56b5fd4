import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { runPurge, stepOf } from '../support/purge.ts';

/** What Postgres allows in a table and few people use: each is purged, or refused with the reason and the fix. */
const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const refused = (statement: string) =>
  db.sql.unsafe(statement).then(
    () => expect.fail(`It was taken: ${statement}`),
    ({ code, message, hint }) => ({ code, message, hint }),
  );

const count = async (relation: string) =>
  Number((await db.sql.unsafe(`select count(*) from ${relation}`))[0]?.count);

const addPolicy = (policy: string) =>
  db.sql.unsafe(`select nightshift.add_retention_policy(${policy})`);

const logs = `
  create table app.logs (id integer primary key, deleted_at timestamptz);
  create index on app.logs (deleted_at);
  insert into app.logs select g, now() - interval '100 days' from generate_series(1, 300) g;
`;
const partitionedLogs = `
  create table app.logs (id integer, deleted_at timestamptz) partition by range (id);
  create table app.logs_1 partition of app.logs for values from (1) to (101);
  create table app.logs_2 partition of app.logs for values from (101) to (1001);
  create index on app.logs (deleted_at);
  insert into app.logs select g, now() - interval '100 days' from generate_series(1, 300) g;
`;
const other = `create table app.other (id integer); insert into app.other select generate_series(1, 50);`;

describe('a rule that adds to a DELETE', () => {
  it.each([
    ['the table', logs, 'app.logs'],
    ['a partition', partitionedLogs, 'app.logs_2'],
  ])('is refused when a policy is declared: on %s', async (_, tables, on) => {
    await db.sql.unsafe(
      `${tables}${other} create rule also as on delete to ${on} do also delete from app.other;`,
    );
    expect(await refused(`select nightshift.add_retention_policy('app.logs', '90 days')`)).toEqual({
      code: 'NS422',
      message: `${on} has a rule on DELETE: also`,
      hint: expect.stringContaining(`drop rule also on ${on}`),
    });
  });

  it('is refused on a table of children', async () => {
    await db.sql.unsafe(`${logs}${other}
      create table app.lines (id integer primary key, log_id integer references app.logs);
      create index on app.lines (log_id);
      create rule also as on delete to app.lines do also delete from app.other;`);
    expect(
      await refused(
        `select nightshift.add_retention_policy('app.logs', '90 days', with_children => array['app.lines'])`,
      ),
    ).toMatchObject({ code: 'NS422', message: 'app.lines has a rule on DELETE: also' });
  });

  it('is refused on a table whose references are released, if it is on UPDATE', async () => {
    await db.sql.unsafe(`${logs}${other}
      create table app.lines (id integer primary key, log_id integer references app.logs on delete set null);
      create index on app.lines (log_id);
      create rule also as on update to app.lines do also delete from app.other;`);
    expect(
      await refused(
        `select nightshift.add_retention_policy('app.logs', '90 days', release => array['app.lines'])`,
      ),
    ).toMatchObject({ code: 'NS422', message: 'app.lines has a rule on UPDATE: also' });
  });

  it.each([
    ['the table', logs, 'app.logs'],
    ['a partition', partitionedLogs, 'app.logs_2'],
  ])(
    'deletes nothing where it was made later, and costs that table alone: on %s',
    async (_, tables, on) => {
      await db.sql.unsafe(`${tables}${other}
      create table app.others (id integer primary key, deleted_at timestamptz);
      create index on app.others (deleted_at);
      insert into app.others select g, now() - interval '100 days' from generate_series(1, 10) g;`);
      await addPolicy(`'app.logs', '90 days', max_fraction => 1`);
      await addPolicy(`'app.others', '90 days', max_fraction => 1`);
      await db.sql.unsafe(`create rule also as on delete to ${on} do also delete from app.other;`);
      const result = await runPurge(db);
      expect(result.run.status).toBe('partial');
      expect(stepOf(result, 'app.logs')).toMatchObject({
        status: 'failed',
        error: { code: 'NS422', message: `${on} has a rule on DELETE: also` },
      });
      expect(await count('app.other')).toBe(50);
      expect(await count(on)).toBe(on === 'app.logs' ? 300 : 200);
      expect(await count('app.others')).toBe(0);
    },
  );
});

describe('a foreign key between columns of different collations', () => {
  it.for([
    ['app.caseless', 'app.accents'],
    ['"C"', '"POSIX"'],
  ] as const)(
    'is looked through as Postgres does: %s referred to by %s',
    async ([referenced, referencing], { skip }) => {
      const [server] =
        await db.sql`select current_setting('server_version_num')::integer as version`;
      // Since then two columns may differ only where both are exact.
      skip(referenced === 'app.caseless' && server?.version >= 180000);
      await db.sql.unsafe(`
      create collation app.caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      create collation app.accents (provider = icu, locale = 'und-u-ks-level1-kc-true', deterministic = false);
      create table app.tags (name text collate ${referenced} primary key, deleted_at timestamptz);
      create index on app.tags (deleted_at);
      create table app.uses (id integer primary key, tag text collate ${referencing} references app.tags);
      insert into app.tags select 'tag ' || g, now() - interval '100 days' from generate_series(1, 20) g;
      insert into app.uses values (1, 'tag 1'), (2, 'tag 2');
    `);
      if (referenced === 'app.caseless')
        await db.sql`update app.uses set tag = 'TAG 1' where id = 1`;
      await addPolicy(`'app.tags', '90 days', max_fraction => 1`);
      const [{ fix = '' } = {}] = await db.sql<{ fix: string }[]>`
      select nightshift.index_for_key(oid) as fix from pg_constraint where conname = 'uses_tag_fkey'`;
      await db.sql.unsafe(fix);
      const step = stepOf(await runPurge(db), 'app.tags');
      expect(step).toMatchObject({
        rowsPurged: 18,
        blockedBy: { 'uses_tag_fkey on app.uses': 2 },
        warnings: [],
      });
    },
  );
});

describe('an interval that no row can be as old as, or any', () => {
  it.each(['300000 years', '7000 years', '-1 day', '0'])('is refused: %s', async (interval) => {
    await db.sql.unsafe(logs);
    const answer = await refused(
      `select nightshift.add_retention_policy('app.logs', '${interval}')`,
    );
    expect(answer).toMatchObject({ code: 'NS422' });
  });
});

describe('a trigger that changes another row of its own batch', () => {
  it('has both deleted', async () => {
    await db.sql.unsafe(`${logs} delete from app.logs where id > 20;
      alter table app.logs add touched integer;
      create function app.touch() returns trigger language plpgsql as $$
      begin
        update app.logs set touched = old.id where id = old.id + 1;
        return old;
      end $$;
      create trigger touch before delete on app.logs for each row execute function app.touch();`);
    await addPolicy(`'app.logs', '90 days', max_fraction => 1`);
    const result = await runPurge(db);
    expect(stepOf(result, 'app.logs')).toMatchObject({ status: 'succeeded', rowsPurged: 20 });
  });
});

describe('what was attached after the policy was declared', () => {
  beforeEach(async () => {
    await db.sql.unsafe(partitionedLogs);
    await addPolicy(`'app.logs', '90 days', max_fraction => 1`);
  });

  it('is said to be a foreign table', async () => {
    await db.sql.unsafe(`
      create foreign data wrapper elsewhere;
      create server archive foreign data wrapper elsewhere;
      create foreign table app.logs_0 (id integer, deleted_at timestamptz) server archive;
      alter table app.logs attach partition app.logs_0 for values from (-1000) to (1);`);
    const result = await runPurge(db);
    expect(stepOf(result, 'app.logs')).toMatchObject({
      rowsPurged: 0,
      error: {
        code: 'NS422',
        message: 'app.logs has a partition that is a foreign table: app.logs_0',
        hint: expect.stringContaining('detach partition app.logs_0'),
      },
    });
    await db.sql`drop foreign data wrapper elsewhere cascade`;
    expect(stepOf(await runPurge(db), 'app.logs')).toMatchObject({ rowsPurged: 300 });
  });

  it('is purged by neither policy where it has one of its own, until it is said which', async () => {
    await db.sql.unsafe(`
      create table app.older (id integer, deleted_at timestamptz);
      create index on app.older (deleted_at);
      insert into app.older select -g, now() - interval '100 days' from generate_series(1, 200) g;`);
    await addPolicy(`'app.older', '180 days', max_fraction => 1`);
    await db.sql`alter table app.logs attach partition app.older for values from (-1000) to (1)`;
    const result = await runPurge(db);
    for (const table of ['app.logs', 'app.older']) {
      expect(stepOf(result, table)).toMatchObject({ rowsPurged: 0, error: { code: 'NS422' } });
    }
    expect(await count('app.logs')).toBe(500);
    const hint = stepOf(result, 'app.logs').error?.hint ?? '';
    await db.sql.unsafe(/select nightshift.*;/.exec(hint)?.[0] ?? '');
    expect(stepOf(await runPurge(db), 'app.logs')).toMatchObject({ rowsPurged: 500 });
  });
});
