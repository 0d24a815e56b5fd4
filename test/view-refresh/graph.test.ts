import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import {
  isCurrent,
  letPass,
  outcomes,
  runRefresh,
  stepOf,
  viewOf,
  write,
} from '../support/views.ts';

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const all = ['app.by_shop', 'app.large', 'app.small', 'app.summary', 'app.alone'];

/** by_shop, from which large and small come through plain views, of which summary is made; and alone. */
const diamond = `
  create table app.sales (id integer primary key, shop integer not null, amount integer not null);
  create table app.other (id integer primary key);
  insert into app.sales select n, n % 4, n from generate_series(1, 20) n;
  ${viewOf('app.by_shop', 'select shop as id, sum(amount) as total from app.sales group by shop')}
  create view app.large_shops as select * from app.by_shop where total >= 50;
  create view app.largest_shops as select * from app.large_shops;
  create view app.small_shops as select * from app.by_shop where total < 50;
  ${viewOf('app.large', 'select id, total from app.largest_shops')}
  ${viewOf('app.small', 'select id, 1 / (total - 39) as share from app.small_shops')}
  create view app.both as select id, total from app.large union all select id, share from app.small;
  ${viewOf('app.summary', 'select 1 as id, count(*) as shops, sum(total) as total from app.both')}
  ${viewOf('app.alone', 'select id from app.other')}
`;

async function settle(): Promise<void> {
  await runRefresh(db);
  await letPass(db.sql);
}

const allCurrent = async (views = all) => {
  for (const view of views) expect([view, await isCurrent(db.sql, view)]).toEqual([view, true]);
};

describe('views that read each other through plain views', () => {
  beforeEach(() => write(db.sql, diamond));

  it.each([1, 8])('are refreshed after what they read, %i at once', async (parallelism) => {
    await settle();
    await write(db.sql, 'insert into app.sales select n, n % 5, n from generate_series(21, 60) n');
    const asked: string[] = [];
    const result = await runRefresh(
      db,
      { parallelism },
      { beforeRefresh: (_, view) => asked.push(view) },
    );
    expect(result.run.status).toBe('succeeded');
    expect(outcomes(result)).toMatchObject({
      'app.by_shop': 'refreshed: changed',
      'app.large': 'refreshed: upstream',
      'app.summary': 'refreshed: upstream',
      'app.alone': 'skipped: unchanged',
    });
    expect(asked[0]).toBe('app.by_shop');
    expect(asked.at(-1)).toBe('app.summary');
    const order = result.report.steps.map(({ view }) => view);
    expect(order.indexOf('app.summary')).toBeGreaterThan(order.indexOf('app.small'));
    expect(order.indexOf('app.large')).toBeGreaterThan(order.indexOf('app.by_shop'));
    await allCurrent();
  });

  it('hold what their queries return after the first run', async () => {
    const result = await runRefresh(db);
    expect(outcomes(result)['app.summary']).toBe('refreshed: never');
    expect(result.report).toMatchObject({ viewsRefreshed: 5, viewsUnchanged: 0, stale: [] });
    await allCurrent();
  });

  it('are left alone below one that came out the same', async () => {
    await settle();
    await write(db.sql, 'update app.sales set id = id + 100 where id = 20');
    const result = await runRefresh(db);
    expect(outcomes(result)).toEqual({
      'app.by_shop': 'refreshed: changed',
      'app.large': 'skipped: unchanged',
      'app.small': 'skipped: unchanged',
      'app.summary': 'skipped: unchanged',
      'app.alone': 'skipped: unchanged',
    });
    await allCurrent();
  });

  it('are skipped below one that failed, while the others go on', async () => {
    await settle();
    await write(
      db.sql,
      'update app.sales set amount = amount - 6 where id = 20; update app.sales set amount = 0 where shop = 1; insert into app.sales values (100, 1, 39); insert into app.other values (1)',
    );
    const result = await runRefresh(db);
    expect(result.run.status).toBe('partial');
    expect(outcomes(result)).toEqual({
      'app.by_shop': 'refreshed: changed',
      'app.large': 'refreshed: upstream',
      'app.small': 'failed: upstream',
      'app.summary': 'blocked: blocked',
      'app.alone': 'refreshed: changed',
    });
    expect(stepOf(result, 'app.small').error).toMatchObject({ code: 'NS422' });
    expect(stepOf(result, 'app.summary').detail).toContain('app.small');

    await write(db.sql, 'delete from app.sales where id = 100');
    await letPass(db.sql);
    expect((await runRefresh(db)).run.status).toBe('succeeded');
    await allCurrent();
  });

  it('fail as a run when none could be refreshed', async () => {
    await db.sql`update nightshift.refresh_policies set enabled = view = 'app.by_shop'::regclass`;
    await db.sql`drop materialized view app.by_shop cascade`;
    const result = await runRefresh(db);
    expect(result.run.status).toBe('failed');
    expect(result.error).toMatchObject({ code: 'NS502' });
  });

  it.each([
    [{}, ['app.small']],
    [{ ancestors: true }, ['app.by_shop', 'app.small']],
    [{ descendants: true }, ['app.small', 'app.summary']],
    [{ ancestors: true, descendants: true }, ['app.by_shop', 'app.small', 'app.summary']],
  ])('are refreshed only as far as named, with %j', async (scope, views) => {
    await settle();
    await write(
      db.sql,
      'insert into app.sales values (50, 1, 1); insert into app.other values (1)',
    );
    const result = await runRefresh(db, { only: ['app.small'], force: true, ...scope });
    expect(outcomes(result)).toEqual(
      Object.fromEntries(views.map((view) => [view, 'refreshed: forced'])),
    );
    expect(await isCurrent(db.sql, 'app.alone')).toBe(false);
  });

  it('are refused by a name without a policy, before any is refreshed', async () => {
    const refused = runRefresh(db, { only: ['app.small', 'app.sales'] });
    await expect(refused).rejects.toMatchObject({
      code: 'NS404',
      message: 'No refresh policy for: app.sales',
      hint: expect.stringContaining('quotes'),
    });
    expect(await db.sql`select from nightshift.view_refreshes`).toHaveLength(0);
  });
});

const table =
  'create table app.items (id integer, day date); insert into app.items values (1, null);';

describe('a view that is not what it was', () => {
  beforeEach(async () => {
    await write(
      db.sql,
      `${table} ${viewOf('app.items_seen', 'select id, day from app.items')} ${viewOf('app.others', 'select id from app.items')}`,
    );
    await settle();
    await write(db.sql, 'insert into app.items values (2, null)');
  });

  it('keeps its policy when it is renamed', async () => {
    await db.sql`alter materialized view app.items_seen rename to "Items seen"`;
    const result = await runRefresh(db);
    expect(outcomes(result)['app."Items seen"']).toBe('refreshed: changed');
    expect(await isCurrent(db.sql, 'app."Items seen"')).toBe(true);
    const rows = await db.sql`select view_name from nightshift.refresh_policies order by 1`;
    expect(rows.map((row) => row.view_name)).toEqual(['app."Items seen"', 'app.others']);
  });

  it.each(['refreshed: changed', 'skipped: unchanged'])(
    'swaps names with another, and both keep their policies (%s)',
    async (outcome) => {
      if (outcome === 'skipped: unchanged') await settle();
      await db.sql.unsafe(`
        alter materialized view app.items_seen rename to third;
        alter materialized view app.others rename to items_seen;
        alter materialized view app.third rename to others;
      `);
      const result = await runRefresh(db);
      expect(result.error).toBeUndefined();
      expect(outcomes(result)).toEqual({ 'app.items_seen': outcome, 'app.others': outcome });
    },
  );

  it('fails with the way out when it is dropped, and the others go on', async () => {
    await db.sql`drop materialized view app.items_seen`;
    const result = await runRefresh(db);
    expect(result.run.status).toBe('partial');
    expect(outcomes(result)['app.others']).toBe('refreshed: changed');
    expect(stepOf(result, 'app.items_seen')).toMatchObject({
      status: 'failed',
      reason: 'gone',
      error: {
        code: 'NS404',
        hint: expect.stringContaining("nightshift.remove_refresh_policy('app.items_seen')"),
      },
    });
    const [removed] =
      await db.sql`select nightshift.remove_refresh_policy('app.items_seen') as policy`;
    expect(removed?.policy).toMatchObject({ view: 'app.items_seen' });
    expect((await runRefresh(db)).run.status).toBe('succeeded');
  });

  it('is not gone to a run that has read its policy before another refreshed the new one', async () => {
    await write(db.sql, viewOf('app.anew', 'select id from app.items'));
    const recreate = () =>
      db.sql.unsafe(
        'drop materialized view app.anew; create materialized view app.anew as select id from app.items',
      );
    await db.sql`create table app.read as select * from nightshift.refresh_policies where view_name = 'app.anew'`;
    await recreate();
    const refresh = async (policy: string) => {
      const [row] = await db.sql.unsafe(
        `select nightshift.refresh_policy_view(${policy}, true) as answer`,
      );
      return row?.answer.outcome;
    };
    await db.sql`update nightshift.refresh_policies set allow_blocking = true`;
    expect(await refresh("nightshift.find_refresh_policy('app.anew')")).toBe('refreshed');
    const asRead = '(select row(r.*)::nightshift.refresh_policies from app.read r)';
    expect(await refresh(asRead)).toBe('refreshed');
    await db.sql`drop materialized view app.anew`;
    await expect(refresh(asRead)).rejects.toMatchObject({ code: 'NS404' });
  });

  it('has its policy again when it is created anew under its name', async () => {
    await write(
      db.sql,
      'drop materialized view app.items_seen; create materialized view app.items_seen as select 5 as id; create unique index on app.items_seen (id)',
    );
    const result = await runRefresh(db);
    expect(stepOf(result, 'app.items_seen')).toMatchObject({
      status: 'refreshed',
      reason: 'never',
      detail: expect.stringContaining('created anew'),
    });
    await letPass(db.sql);
    expect(outcomes(await runRefresh(db))['app.items_seen']).toBe('skipped: unchanged');
  });

  it('is refused, with the way out, to a role that does not own it', async () => {
    const user = db.connect();
    await user.unsafe(`
      begin; create role plain_owner; grant usage on schema nightshift, app to plain_owner;
      grant execute on all functions in schema nightshift to plain_owner; set local role plain_owner
    `);
    const [row] = await user`
      select nightshift.refresh_way('app.items_seen', true) as way, nightshift.view_state('app.items_seen') ->> 'untracked' as why`;
    await user`rollback`;
    expect(row?.way).toMatchObject({
      problem: expect.stringContaining('plain_owner may not refresh it'),
      fix: expect.stringMatching(/^grant .* to plain_owner;$/),
    });
    expect(row?.why).toContain('grant pg_read_all_stats to plain_owner');
  });

  const unusable = {
    'has lost its unique index': 'drop index app.items_seen_id_idx',
    'has a partial unique index only':
      'drop index app.items_seen_id_idx; create unique index on app.items_seen (id) where id > 0',
    'has a unique index on an expression only':
      'drop index app.items_seen_id_idx; create unique index on app.items_seen ((id + 1))',
    'has an invalid unique index only':
      "update pg_index set indisvalid = false where indexrelid = 'app.items_seen_id_idx'::regclass",
  };
  it.each(Object.entries(unusable))(
    '%s: only refreshed where blocking is allowed',
    async (_, statements) => {
      await db.sql.unsafe(statements);
      const result = await runRefresh(db);
      expect(stepOf(result, 'app.items_seen')).toMatchObject({
        status: 'failed',
        error: { code: 'NS422', hint: expect.stringContaining('allow_blocking => true') },
      });
      expect(outcomes(result)['app.others']).toBe('refreshed: changed');

      await db.sql`select nightshift.alter_refresh_policy('app.items_seen', allow_blocking => true)`;
      const allowed = await runRefresh(db);
      expect(stepOf(allowed, 'app.items_seen')).toMatchObject({
        status: 'refreshed',
        mode: 'plain',
      });
      expect(await isCurrent(db.sql, 'app.items_seen')).toBe(true);
    },
  );
});

it('refreshes views whatever their names', async () => {
  const names = ['app."Sales By ""Day"""', `app."it's; drop"`, 'app."naïve-表"', 'app."a.b"'];
  await write(db.sql, table);
  for (const name of names) {
    const [row] = await db.sql`select quote_literal(${name}) as literal`;
    await write(
      db.sql,
      viewOf(name, 'select id from app.items').replace(`'${name}'`, row?.literal),
    );
  }
  expect((await runRefresh(db)).report.viewsRefreshed).toBe(4);
  await letPass(db.sql);
  await write(db.sql, 'insert into app.items values (2)');
  const result = await runRefresh(db, { only: names });
  expect(outcomes(result)).toEqual(
    Object.fromEntries(names.map((name) => [name, 'refreshed: changed'])),
  );
  for (const name of names) expect(await isCurrent(db.sql, name)).toBe(true);
});
