import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { readCheck } from '../support/health.ts';
import { runPurge, stepOf } from '../support/purge.ts';

/** Policies that would purge nothing, or what is still wanted: said, with the fix, when they are declared. */
const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

interface Refusal {
  code: string;
  message: string;
  hint: string;
}

const refused = (statement: string): Promise<Refusal> =>
  db.sql.unsafe(statement).then(
    () => expect.fail(`It was taken: ${statement}`),
    ({ code, message, hint }) => ({ code, message, hint }),
  );

async function add(policy: string): Promise<string[]> {
  const [row] = await db.sql.unsafe(`select nightshift.add_retention_policy(${policy}) as policy`);
  return row?.policy.warnings;
}

const count = async (relation: string) =>
  Number((await db.sql.unsafe(`select count(*) from ${relation}`))[0]?.count);

describe('a marker whose default stands for "not deleted"', () => {
  it.each([
    ['timestamptz', `'1970-01-01 00:00:01+00'`],
    ['timestamptz', 'to_timestamp(0)'],
    ['timestamp', `'0001-01-01'`],
    ['date', `'1900-01-01'::date`],
    ['timestamptz', `'2001-01-01'::date`],
  ])('is refused, and its hint keeps the live rows: %s default %s', async (type, value) => {
    await db.sql.unsafe(`
      create table app.books (id integer primary key, deleted_at ${type} not null default ${value});
      insert into app.books select g from generate_series(1, 1000) g;
      insert into app.books select g, now() - g * interval '1 minute' from generate_series(1001, 9990) g;
      insert into app.books select g, now() - interval '100 days' from generate_series(9991, 10000) g;
      create index on app.books (deleted_at);
    `);
    const { code, message, hint } = await refused(
      `select nightshift.add_retention_policy('app.books', '90 days')`,
    );
    expect({ code, message }).toEqual({
      code: 'NS422',
      message: expect.stringMatching(/stands for "no time"/),
    });
    await db.sql.unsafe(hint);
    expect((await runPurge(db)).run.status).toBe('succeeded');
    expect(await count('app.books')).toBe(9990);
  });

  it.each([
    `'infinity'`,
    `'-infinity'`,
    'null',
    `'9999-12-31'`,
    'now()',
    `now() at time zone 'UTC'`,
  ])('is taken where it is never due, or the time of writing: %s', async (value) => {
    await db.sql.unsafe(`
        create table app.books (id integer primary key, at timestamptz default (${value}));
        create index on app.books (at);
      `);
    expect(await add(`'app.books', '90 days', 'at'`)).toEqual([]);
  });

  it.each(['0001-01-01', '1970-01-01', '1970-01-20 12:00'])(
    'may be in no default, and is found in the rows: %s',
    async (value) => {
      await db.sql.unsafe(`
        create table app.books (id integer primary key, deleted_at timestamptz);
        insert into app.books values (1, '${value}'), (2, now());
        create index on app.books (deleted_at);
      `);
      const { hint } = await refused(
        `select nightshift.add_retention_policy('app.books', '90 days')`,
      );
      await db.sql.unsafe(hint);
      await runPurge(db);
      expect(await count('app.books')).toBe(2);
    },
  );

  it('stops the purge of its table when it comes after the policy, and no other', async () => {
    await db.sql.unsafe(`
      create table app.books (id integer primary key, deleted_at timestamptz);
      create table app.films (id integer primary key, deleted_at timestamptz);
      create index on app.books (deleted_at); create index on app.films (deleted_at);
      insert into app.films select g, case when g = 1 then now() - interval '1 year' end from generate_series(1, 9) g;
      select nightshift.add_retention_policy('app.books', '90 days'), nightshift.add_retention_policy('app.films', '90 days');
      alter table app.books alter deleted_at set default '1970-01-01';
      insert into app.books select g from generate_series(1, 9) g;
    `);
    const result = await runPurge(db);
    expect(result.run.status).toBe('partial');
    expect(stepOf(result, 'app.books')).toMatchObject({
      status: 'failed',
      error: { code: 'NS422' },
    });
    expect(await count('app.books')).toBe(9);
    expect(await count('app.films')).toBe(8);
    await db.sql.unsafe(stepOf(result, 'app.books').error?.hint ?? '');
    expect((await runPurge(db)).run.status).toBe('succeeded');
    expect(await count('app.books')).toBe(9);
  });
});

describe('a marker that is no time', () => {
  const newYear = 1_577_836_800;
  it.each([
    ['bigint', (hint: string) => hint, newYear],
    [
      'bigint',
      (hint: string) =>
        hint.replace(
          'to_timestamp(nullif(deleted, 0))',
          'to_timestamp(nullif(deleted, 0) / 1000.0)',
        ),
      newYear * 1000,
    ],
    ['text', (hint: string) => hint, `'2020-01-01'`],
  ])('but a %s is told how to become one', async (type, edit, value) => {
    await db.sql.unsafe(`
      create table app.items (id integer primary key, deleted ${type});
      insert into app.items select g, case when g = 1 then ${value} end from generate_series(1, 9) g;
    `);
    const policy = `select nightshift.add_retention_policy('app.items', '30 days', 'deleted')`;
    const { message, hint } = await refused(policy);
    expect(message).toMatch(/which is not a time/);
    await db.sql.unsafe(edit(hint));
    if (type === 'text') await db.sql.unsafe(`create index on app.items (deleted); ${policy}`);
    await runPurge(db);
    expect(await count('app.items')).toBe(8);
  });

  it('but a flag goes with the time at which its row was changed', async () => {
    await db.sql.unsafe(`
      create table app.items (id integer primary key, is_deleted boolean, created_at timestamptz, updated_at timestamptz);
      insert into app.items select g, g = 1, '2020-01-01', '2020-01-01' from generate_series(1, 9) g;
      create index on app.items (updated_at) where is_deleted;
    `);
    const { hint } = await refused(
      `select nightshift.add_retention_policy('app.items', '30 days', 'is_deleted')`,
    );
    await db.sql.unsafe(hint);
    await runPurge(db);
    expect(await count('app.items')).toBe(8);
  });

  it('but a condition is told to be a generated flag', async () => {
    await db.sql.unsafe(`
      create type app.state as enum ('open', 'done');
      create table app.jobs (id integer primary key, state app.state, at timestamptz default now());
      insert into app.jobs select g, case when g = 1 then 'done' else 'open' end::app.state, '2020-01-01' from generate_series(1, 9) g;
      create index on app.jobs (at);
    `);
    const { hint } = await refused(
      `select nightshift.add_retention_policy('app.jobs', '30 days', 'at', 'state')`,
    );
    await db.sql.unsafe(hint.replace('...', 'done'));
    await add(`'app.jobs', '30 days', 'at', 'may_go'`);
    await runPurge(db);
    expect(await count('app.jobs')).toBe(8);
  });

  it('names the times that the table has, where it lacks the column', async () => {
    await db.sql.unsafe('create table app.items (id integer, created_at timestamptz, "Seen" date)');
    const { hint } = await refused(
      `select nightshift.add_retention_policy('app.items', '30 days')`,
    );
    expect(hint).toContain('created_at, "Seen"');
  });
});

describe('rows of tables that inherit', () => {
  it('are warned of until they have a policy of their own, which the fix declares', async () => {
    await db.sql.unsafe(`
      create table app.logs (id bigserial, at timestamptz not null); create index on app.logs (at);
      create table app.logs_2025 () inherits (app.logs); create index on app.logs_2025 (at);
      create table app.logs_2025_01 () inherits (app.logs_2025); create index on app.logs_2025_01 (at);
      insert into app.logs_2025 (at) select now() - interval '300 days' from generate_series(1, 50);
    `);
    const [warning = '', ...others] = await add(`'app.logs', '90 days', 'at', max_fraction => 1`);
    expect(others).toEqual([]);
    expect(warning).toMatch(
      /^The rows of app.logs_2025, app.logs_2025_01, which inherit from app.logs/,
    );
    await db.sql.unsafe(/select .*;/.exec(warning)?.[0] ?? '');
    const { report } = await runPurge(db, { force: ['app.logs', 'app.logs_2025'] });
    expect(report.rowsPurged).toBe(50);
    expect(report.steps.find(({ relation }) => relation === 'app.logs')?.warnings).toEqual([
      expect.stringMatching(/^The rows of app.logs_2025_01, which/),
    ]);
  });

  it('are told of the flag that marks them', async () => {
    await db.sql.unsafe(`
      create table app.items (at timestamptz not null, gone boolean not null); create index on app.items (at);
      create table app.items_2025 () inherits (app.items);
    `);
    const [warning = ''] = await add(`'app.items', '90 days', 'at', 'gone'`);
    expect(warning).toMatch(
      /'app.items_2025', '90 days', marker_column => 'at', flag_column => 'gone'\);/,
    );
  });

  it('are no partitions, which need none', async () => {
    await db.sql.unsafe(`
      create table app.logs (at timestamptz not null) partition by range (at); create index on app.logs (at);
      create table app.logs_1 partition of app.logs default;
    `);
    expect(await add(`'app.logs', '90 days', 'at'`)).toEqual([]);
  });
});

describe('a published table that Postgres deletes nothing from', () => {
  it.each([
    ['app.ev', 'for all tables', 'create table app.ev (at timestamptz not null)', 'app.ev'],
    [
      'app.ev',
      'for table app.ev',
      'create table app.ev (at timestamptz not null, id integer unique); alter table app.ev replica identity nothing',
      'app.ev',
    ],
    [
      'app.ev',
      'for tables in schema app',
      'create table app.ev (at timestamptz not null) partition by range (at); create table app.ev_1 partition of app.ev default',
      'app.ev_1',
    ],
  ])(
    'is warned of, refused before the work and found by the health check: %s %s',
    async (table, published, create, leaf) => {
      await db.sql.unsafe(`
      ${create};
      create index on ${table} (at);
      create publication p ${published};
    `);
      try {
        const warnings = await add(`'${table}', '180 days', 'at', max_fraction => 1`);
        expect(warnings).toEqual([
          expect.stringMatching(`^Postgres refuses to delete from ${leaf}:`),
        ]);
        expect((await runPurge(db)).run.status).toBe('succeeded');
        await db.sql.unsafe(
          `insert into ${table} (at) select now() - interval '1 year' from generate_series(1, 9)`,
        );
        for (const dryRun of [true, false]) {
          const result = await runPurge(db, { dryRun });
          const { status, error, rowsPurged } = stepOf(result, table);
          expect({ status, code: error?.code, rowsPurged }).toEqual({
            status: 'failed',
            code: 'NS422',
            rowsPurged: 0,
          });
          expect(error?.hint).toMatch(`alter table ${leaf} replica identity full;`);
        }
        const { findings } = await readCheck(db.sql, 'policies_broken');
        const [finding] = findings.filter(({ level }) => level !== 'ok');
        expect(finding).toMatchObject({ subject: `retention of ${table}`, level: 'critical' });
        await db.sql.unsafe(finding?.fix ?? '');
        expect((await runPurge(db)).report.rowsPurged).toBe(9);
      } finally {
        await db.sql`drop publication p`;
      }
    },
  );

  it('is looked for among the children of a policy, too', async () => {
    await db.sql.unsafe(`
      create table app.orders (id integer primary key, deleted_at timestamptz);
      create table app.items (order_id integer references app.orders, note text);
      insert into app.orders select g, case when g = 1 then now() - interval '1 year' end from generate_series(1, 9) g;
      create publication p for table app.items;
    `);
    try {
      const warnings = await add(`'app.orders', '90 days', with_children => array['app.items']`);
      expect(warnings.join()).toMatch('Postgres refuses to delete from app.items:');
      expect(stepOf(await runPurge(db), 'app.orders').error?.hint).toMatch(
        'alter table app.items replica identity full;',
      );
      const findings = (await readCheck(db.sql, 'policies_broken')).findings;
      expect(findings.filter(({ level }) => level !== 'ok')).toMatchObject([
        { fix: 'alter table app.items replica identity full;' },
      ]);
    } finally {
      await db.sql`drop publication p`;
    }
  });

  it('is no table with a primary key, whose deletions are not published, or that is not logged', async () => {
    await db.sql.unsafe(`
      create table app.keyed (at timestamptz primary key);
      create table app.inserted (at timestamptz); create index on app.inserted (at);
      create unlogged table app.lost (at timestamptz); create index on app.lost (at);
      create publication p for table app.keyed;
      create publication q for all tables with (publish = 'insert');
    `);
    try {
      for (const table of ['keyed', 'inserted', 'lost']) {
        expect(await add(`'app.${table}', '180 days', 'at'`)).toEqual([]);
      }
    } finally {
      await db.sql.unsafe('drop publication p, q');
    }
  });
});

describe('triggers that a purge fires', () => {
  it('are named when the policy is declared, and can tell the run from a user', async () => {
    await db.sql.unsafe(`
      create table app.seen (run text);
      create table app.items (id integer primary key, deleted_at timestamptz); create index on app.items (deleted_at);
      create function app.see() returns trigger language plpgsql as $$
      begin
        insert into app.seen values (nullif(current_setting('nightshift.run_id', true), ''));
        return old;
      end $$;
      create trigger see before delete on app.items for each row execute function app.see();
      create trigger idle before update on app.items for each row execute function app.see();
      insert into app.items select g, case when g <= 2 then now() - interval '1 year' end from generate_series(1, 9) g;
    `);
    expect(await add(`'app.items', '90 days'`)).toEqual([
      expect.stringMatching(
        /^Deletions fire trigger see \(app.see\(\)\)\. In a purge, current_setting/,
      ),
    ]);
    const { run, report } = await runPurge(db);
    expect(report.rowsPurged).toBe(2);
    // Nothing to mend, so the report of each night does not repeat it.
    expect(report.steps[0]?.warnings).toEqual([]);
    await db.sql`delete from app.items where id = 9`;
    expect((await db.sql`select run from app.seen`).map((row) => row.run)).toEqual([
      run.id,
      run.id,
      null,
    ]);
  });
});

describe("a table of Supabase's own", () => {
  it.each([
    ['auth.users', 'supabase_auth_admin', /auth\.admin\.deleteUser/],
    ['auth.sessions', 'supabase_auth_admin', /Dashboard, Authentication, Sessions/],
    ['storage.objects', 'supabase_storage_admin', /\.remove\(\[/],
    ['cron.job_run_details', 'supabase_admin', /delete from cron\.job_run_details/],
    ['net._http_response', 'supabase_admin', /pg_net\.ttl/],
    ['realtime.messages', 'supabase_realtime_admin', /after three days/],
    ['vault.secrets', 'supabase_admin', /Leave it alone/],
  ])('%s has its own way', async (table, owner, advice) => {
    // The error undoes the whole transaction, the role included.
    const error = await db.sql
      .begin((sql) =>
        sql.unsafe(`
          create role ${owner};
          create schema if not exists ${table.split('.')[0]};
          create table ${table} (deleted_at timestamptz);
          create index on ${table} (deleted_at);
          alter table ${table} owner to ${owner};
          select nightshift.add_retention_policy('${table}', '90 days');
        `),
      )
      .catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'NS422', hint: expect.stringMatching(advice) });
  });
});
