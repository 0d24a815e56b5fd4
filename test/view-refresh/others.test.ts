import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDatabase, startAfresh, type TestDatabase } from '../support/database.ts';
import { isCurrent, outcomes, runRefresh, stepOf, viewOf, write } from '../support/views.ts';

/** Views that hold nothing yet, that belong to someone else, or that need names from elsewhere. */
let db: TestDatabase;
let version: number;
beforeAll(async () => {
  db = await createDatabase();
  const [row] = await db.sql`select current_setting('server_version_num')::integer as version`;
  version = row?.version;
});
beforeEach(() => startAfresh(db.sql));
afterAll(() => db.drop());

const adopt = async () =>
  (await db.sql`select nightshift.adopt_refresh_policies('app') as adopted`)[0]?.adopted;

describe('views without data', () => {
  it('are filled by the first run, each after what it reads, though nothing may block their readers', async () => {
    await db.sql.unsafe(`
      create table app.s (d date, n integer);
      insert into app.s select current_date - g % 30, g from generate_series(1, 3000) g;
      create materialized view app.daily as select d, sum(n) as n from app.s group by d with no data;
      create unique index on app.daily (d);
      create materialized view app.monthly as
        select date_trunc('month', d)::date as m, sum(n) as n from app.daily group by 1 with no data;
    `);
    const adopted = await adopt();
    expect(adopted.map(({ view }: { view: string }) => view)).toEqual(['app.daily', 'app.monthly']);
    const result = await runRefresh(db);
    expect(result.run.status).toBe('succeeded');
    expect(result.report.steps).toMatchObject([
      { view: 'app.daily', status: 'refreshed', mode: 'plain' },
      { view: 'app.monthly', status: 'refreshed', mode: 'plain' },
    ]);
    expect(await isCurrent(db.sql, 'app.monthly')).toBe(true);
  });

  it('that are read by one with a policy and have none themselves are named, with the fix', async () => {
    await db.sql.unsafe(`
      create materialized view app.daily as select 1 as n with no data;
      create unique index on app.daily (n);
      ${viewOf('app.monthly', 'select n from app.daily with no data', 'n')}
    `);
    const { error } = stepOf(await runRefresh(db), 'app.monthly');
    expect(error?.message).toMatch(
      'It reads app.daily, which holds no data and has no refresh policy',
    );
    await db.sql.unsafe(error?.hint ?? '');
    expect((await runRefresh(db)).run.status).toBe('succeeded');
  });
});

describe('views of another owner', () => {
  const role = 'keeper_of_views';
  const asKeeper = async <T>(run: (sql: TestDatabase['sql']) => Promise<T>): Promise<T> => {
    const session = db.connect();
    await session.unsafe(`set role ${role}`);
    try {
      return await run(session);
    } finally {
      await session`reset role`;
      await session.end();
    }
  };

  beforeEach(() =>
    db.sql.unsafe(`
      do $$ begin if to_regrole('${role}') is null then create role ${role}; end if; end $$;
      grant usage on schema app, nightshift to ${role};
      grant execute on all functions in schema nightshift to ${role};
      create table app.items (id integer); insert into app.items values (1);
      create materialized view app.foreign_view as select id from app.items;
      create unique index on app.foreign_view (id);
      create materialized view app.own_view as select id from app.items;
      create unique index on app.own_view (id);
      alter materialized view app.own_view owner to ${role};
    `),
  );
  afterAll(() => db.sql.unsafe(`drop owned by ${role} cascade; drop role ${role}`));

  it('are left out of an adoption that takes the rest, with what lets them in', async () => {
    const adopted = await asKeeper(
      async (sql) =>
        (await sql`select nightshift.adopt_refresh_policies('app') as adopted`)[0]?.adopted,
    );
    expect(adopted).toMatchObject([
      { view: 'app.own_view', warnings: [] },
      { view: 'app.foreign_view', problem: expect.stringMatching(/may not refresh it/) },
    ]);
    expect(adopted[1].fix).toMatch(
      version >= 170000 ? `grant maintain on app.foreign_view to ${role};` : `to ${role};`,
    );
    expect(await db.sql`select from nightshift.refresh_policies`).toHaveLength(1);
  });

  it('cannot be adopted when they are all that there is', async () => {
    await db.sql`drop materialized view app.own_view`;
    await expect(
      asKeeper((sql) => sql`select nightshift.adopt_refresh_policies('app')`),
    ).rejects.toMatchObject({
      code: 'NS422',
      message: expect.stringMatching(/^No view could be adopted/),
    });
  });

  it('are had by whoever holds MAINTAIN, and no code of their owner runs with our rights', async ({
    skip,
  }) => {
    skip(version < 170000, 'MAINTAIN exists since Postgres 17');
    await db.sql.unsafe(`
      grant create on schema app to ${role};
      grant select on app.items to ${role};
      create function app.bait(integer) returns boolean language plpgsql immutable as
        $$ begin perform set_config('bait.ran_as', current_user, false); return true; end $$;
      alter function app.bait owner to ${role};
      create role plain_reader;
      grant usage on schema app, nightshift to plain_reader;
      grant execute on all functions in schema nightshift to plain_reader;
      grant all on all tables in schema nightshift to plain_reader; grant all on all sequences in schema nightshift to plain_reader;
      grant maintain, select on app.own_view to plain_reader;
      grant create on schema nightshift to plain_reader;
      select nightshift.add_refresh_policy('app.own_view');
      alter function nightshift.refresh_policy_view owner to plain_reader;
      alter table nightshift.refresh_policies disable row level security;
      alter table nightshift.view_refreshes disable row level security;
      alter table nightshift.settings disable row level security;
    `);
    try {
      await asKeeper((sql) => sql`create index on app.own_view (id) where app.bait(1)`);
      await write(db.sql, 'insert into app.items values (2)');
      const session = db.connect();
      const [row] = await session`
        select nightshift.refresh_policy_view(nightshift.find_refresh_policy('app.own_view')) as answer`;
      expect(row?.answer).toMatchObject({ outcome: 'refreshed', mode: 'concurrently' });
      // A refresh takes back what is set while it runs, with the rights of the owner of the view.
      const [bait] = await session`select current_setting('bait.ran_as', true) as ran_as`;
      expect(bait?.ran_as ?? '').toBe('');
      expect(await isCurrent(db.sql, 'app.own_view')).toBe(true);
    } finally {
      await db.sql.unsafe(`
        alter table nightshift.refresh_policies enable row level security;
        alter table nightshift.view_refreshes enable row level security;
        alter table nightshift.settings enable row level security;
        alter function nightshift.refresh_policy_view owner to current_user;
        drop owned by plain_reader; drop role plain_reader;
      `);
    }
  });
});

it('a function in a view finds its names as in a refresh by hand, before Postgres 17 as from then on', async () => {
  await db.sql.unsafe(`
    create table app.srs (srid integer primary key, factor numeric); insert into app.srs values (3395, 2.5);
    create function app.factor_of(s integer) returns numeric language plpgsql stable
      ${version >= 170000 ? 'set search_path = app' : ''}
      as $$ begin return (select factor from srs where srid = s); end $$;
    update nightshift.settings set trigger_search_path = 'app, public';
    set search_path = app;
    ${viewOf('app.areas', 'select srid as id, app.factor_of(srid) as factor from app.srs')}
    reset search_path;
  `);
  try {
    const result = await runRefresh(db);
    expect(outcomes(result)).toEqual({ 'app.areas': 'refreshed: never' });
  } finally {
    await db.sql`update nightshift.settings set trigger_search_path = default`;
  }
});
