import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { type HealthFinding, healthDocument } from '../../functions/health-check/schema.ts';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import {
  createSoftDeleted,
  declareLongAgo,
  purgeReport,
  recordRun,
} from '../support/health-scenarios/night-shift.ts';
import { runPurge } from '../support/purge.ts';

const db = setUpDatabase();
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql`delete from nightshift.runs`;
});

/** What a check finds, by subject; `in` some time, as an interval. */
async function findings(check: string, later = '0'): Promise<Record<string, HealthFinding>> {
  const [row] =
    await db.sql`select nightshift.get_health(array[${check}], as_of => now() + ${later}::interval) as document`;
  const { checks } = healthDocument.parse(z.object({ document: z.unknown() }).parse(row).document);
  return Object.fromEntries(
    (checks[0]?.findings ?? []).map((found) => [found.subject ?? '', found]),
  );
}

/** Runs the fix of each finding, in the way of a person who pastes it. */
async function fixAll(check: string): Promise<void> {
  for (const { fix } of Object.values(await findings(check))) await db.sql.unsafe(fix ?? '');
}

describe('job_missed', () => {
  it('counts from the first policy on, while a job has not done its work', async () => {
    await createSoftDeleted(db.sql, 'app.items', 1);
    expect(await findings('job_missed')).toEqual({});
    expect(await findings('job_missed', '27 hours')).toMatchObject({
      'retention-purge': {
        level: 'warning',
        // Of which some may have passed since.
        value: expect.closeTo(97_200, -3),
        detail: expect.stringMatching(/since its first policy was declared/),
        fix: '-- npm run nightshift -- run retention-purge',
      },
    });
  });

  it('says when it is paused, and how to go on', async () => {
    await recordRun(db.sql, 'weekly', { status: 'partial', hoursAgo: 30 });
    await db.sql`select nightshift.pause('a migration')`;
    expect(await findings('job_missed')).toMatchObject({
      weekly: {
        level: 'warning',
        detail: expect.stringMatching(/^Nightshift is paused since .*: a migration\. It last/),
        fix: 'select nightshift.unpause();',
      },
    });
  });

  it('misses no job of policies that has none any more', async () => {
    await recordRun(db.sql, 'view-refresh', { status: 'succeeded', hoursAgo: 90 });
    expect(await findings('job_missed')).toEqual({});
  });
});

/** Three parents that are long due; a child that stays needs the first. */
async function createFamily(): Promise<void> {
  await db.sql.unsafe(`
    create table app.parents (id integer primary key, deleted_at timestamptz);
    create table app.children (id integer primary key, parent_id integer constraint "needs it" references app.parents);
    create index on app.children (parent_id);
    create index on app.parents (deleted_at);
    insert into app.parents select id, now() - interval '60 days' from generate_series(1, 3) id;
    insert into app.children values (1, 1);
    select nightshift.add_retention_policy('app.parents', '30 days', max_fraction => 1);
  `);
  await declareLongAgo(db.sql);
}

describe('rows that only foreign keys keep', () => {
  it('are no warning night after night, and are named by the key', async () => {
    await createFamily();
    expect(await findings('backlog_age')).toMatchObject({ 'app.parents': { level: 'critical' } });
    for (let night = 0; night < 3; night++) await runPurge(db);
    expect(await findings('backlog_age')).toMatchObject({
      'app.parents': {
        level: 'info',
        detail: expect.stringContaining('still need, by "needs it" on app.children (1).'),
        fix: expect.stringMatching(
          /^select .*settle_reference\('app.parents', 'app.children\(parent_id\)', 'with_children'/,
        ),
      },
    });
    expect(await findings('jobs_partial')).toMatchObject({
      'retention-purge': {
        level: 'info',
        value: 3,
        detail: expect.stringMatching(
          /left app\.parents: 1 still needed by rows that stay by "needs it" on app\.children \(1\)$/,
        ),
        fix: expect.stringMatching(
          /^select .*settle_reference\('app.parents', 'app.children\(parent_id\)', 'with_children'/,
        ),
      },
    });
    await db.sql`delete from app.children`;
    await runPurge(db);
    for (const check of ['backlog_age', 'jobs_partial']) expect(await findings(check)).toEqual({});
  });

  it('are a warning again as soon as another row is left with them', async () => {
    await createFamily();
    await runPurge(db);
    const user = db.connect();
    await db.sql`insert into app.parents values (4, now() - interval '60 days')`;
    await user`begin`;
    await user`select from app.parents where id = 4 for update`;
    await runPurge(db);
    await user`rollback`;
    expect(await findings('backlog_age')).toMatchObject({ 'app.parents': { level: 'critical' } });
    expect(await findings('jobs_partial')).toMatchObject({
      'retention-purge': { level: 'warning' },
    });
  });
});

describe('jobs_partial', () => {
  it('says what views and partitions are left, and counts the rest', async () => {
    const refresh = ['app.a', 'app.b', 'app.c', 'app.d'].map((view, n) => ({
      view,
      status: n === 0 ? 'refreshed' : 'failed',
      detail: 'app.x changed',
      ...(n === 1
        ? { error: { code: 'NS422', message: 'The query of app.b fails', hint: 'Mend it.' } }
        : {}),
      ...(n === 2
        ? { fixes: [{ subject: view, fix: 'Nothing, if it can wait. -- or at once: select 1;' }] }
        : {}),
    }));
    const blocked = [{ partition: 'app.p1', reason: 'its rows are needed' }];
    await recordRun(db.sql, 'view-refresh', {
      status: 'partial',
      report: { steps: [...refresh, { view: 'app.e', status: 'waiting', detail: 'no time' }] },
    });
    await recordRun(db.sql, 'partition-maintenance', {
      status: 'partial',
      report: { steps: [{ table: 'app.p', status: 'partial', missing: 2, blocked }] },
    });
    await recordRun(db.sql, 'other', { status: 'continued' });
    expect(await findings('jobs_partial')).toMatchObject({
      'view-refresh': {
        level: 'info',
        detail: expect.stringMatching(
          /left app\.b: The query of app\.b fails; app\.c: app\.x changed; app\.d: .*; and 1 more$/,
        ),
        // Of one that may do nothing the other way is no way to paste, either.
        fix: '-- Mend it.\n-- Nothing, if it can wait.\n-- or at once: select 1;',
      },
      'partition-maintenance': {
        detail: expect.stringMatching(
          /left app\.p: 2 intervals without a partition, 1 not retired \(its rows are needed\)$/,
        ),
      },
      other: { detail: expect.stringMatching(/work undone/) },
    });
  });
});

describe('backlog_age', () => {
  it('gives a policy that was just declared its nights, whatever the backlog', async () => {
    await createSoftDeleted(db.sql, 'app.items', 400);
    expect(await findings('backlog_age')).toEqual({});
    expect(await findings('backlog_age', '51 hours')).toMatchObject({
      'app.items': {
        level: 'warning',
        value: 51 * 3_600,
        detail: expect.stringMatching(/due since .* UTC\. It counts from when the policy was/),
      },
    });
  });

  it('leaves partitions to their retirement, and rows alone that say never', async () => {
    await db.sql.unsafe(`
      create table app.logs (at timestamptz not null, gone_at timestamptz default '-infinity') partition by range (at);
      create table app.logs_old partition of app.logs for values from ('-infinity') to ('2020-01-01');
      create table app.logs_new partition of app.logs for values from ('2020-01-01') to (maxvalue);
      create index on app.logs (gone_at);
      insert into app.logs values ('2001-01-01', '2001-01-01'), (now(), '-infinity'), (now(), now() - interval '31 days');
      select nightshift.add_retention_policy('app.logs', '30 days', 'gone_at', max_fraction => 1);
      select nightshift.add_partition_policy('app.logs', '1 year', retention => '1 year');
    `);
    await declareLongAgo(db.sql);
    expect(await findings('backlog_age')).toMatchObject({ 'app.logs': { level: 'critical' } });
    // Due for a day: it is left to its retirement for two nights.
    await db.sql.unsafe(`
      alter table app.logs detach partition app.logs_old;
      drop table app.logs_old;
      alter table app.logs detach partition app.logs_new;
      do $$
      declare cut timestamptz := date_trunc('day', now(), 'UTC') - interval '1 year 1 day';
      begin
        execute format('create table app.logs_old partition of app.logs for values from (%L) to (%L)', cut - interval '1 year', cut);
        execute format('alter table app.logs attach partition app.logs_new for values from (%L) to (maxvalue)', cut);
        execute format('insert into app.logs values (%L, %L)', cut - interval '1 day', cut);
      end $$;
    `);
    expect(await findings('backlog_age')).toEqual({});
    expect(await findings('backlog_age', '26 hours')).toMatchObject({
      'app.logs': { level: 'warning' },
    });
  });

  it('does not say that all is well where it would have to read the whole table, or cannot look', async () => {
    await db.sql.unsafe(`
      create table app.items (id integer primary key, deleted_at date, filler text default repeat('x', 900))
      with (fillfactor = 10);
      insert into app.items (id, deleted_at) select id, '2001-01-01' from generate_series(1, 1100) id;
      create index by_marker on app.items (deleted_at);
      select nightshift.add_retention_policy('app.items', '30 days');
      analyze app.items;
    `);
    await declareLongAgo(db.sql);
    expect(await findings('backlog_age')).toMatchObject({ 'app.items': { level: 'critical' } });
    await db.sql`drop index app.by_marker`;
    expect(await findings('backlog_age')).toMatchObject({
      'app.items': {
        level: 'unknown',
        detail: expect.stringMatching(/^No index serves deleted_at of app\.items/),
        fix: 'create index on app.items (deleted_at);',
      },
    });
    await fixAll('backlog_age');
    expect(await findings('backlog_age')).toMatchObject({ 'app.items': { level: 'critical' } });
    await db.sql`alter table app.items rename deleted_at to removed_at`;
    expect(await findings('backlog_age')).toMatchObject({
      'app.items': { level: 'unknown', detail: expect.stringMatching(/no column deleted_at/) },
    });
  });
});

describe('backlog_growth', () => {
  const night = (hoursAgo: number, rowsLeft: number, rowsBlocked = 0) =>
    recordRun(db.sql, 'retention-purge', {
      status: 'partial',
      hoursAgo,
      report: purgeReport('app.items', rowsLeft, rowsBlocked),
    });

  it('counts nights in a row, not those before one on which it shrank, nor runs by hand', async () => {
    await createSoftDeleted(db.sql, 'app.items', 1);
    for (const [hoursAgo, rowsLeft] of [
      [100, 1],
      [72, 3],
      [48, 2],
      [24, 3],
    ] as const)
      await night(hoursAgo, rowsLeft);
    expect(await findings('backlog_growth')).toEqual({});
    await night(12, 4);
    await night(6, 5);
    expect(await findings('backlog_growth')).toMatchObject({
      'app.items': { level: 'warning', value: 3, detail: expect.stringContaining('2, 3, 4, 5') },
    });
    await db.sql`update nightshift.runs set trigger = 'cli' where report #> '{steps,0,rowsLeft}' = '4'`;
    expect(await findings('backlog_growth')).toEqual({});
  });

  it('is information where foreign keys keep them all', async () => {
    await createSoftDeleted(db.sql, 'app.items', 1);
    for (const n of [1, 2, 3, 4]) await night(100 - n, n, n);
    expect(await findings('backlog_growth')).toMatchObject({
      'app.items': {
        level: 'info',
        detail: expect.stringContaining('by needs on app.children (4)'),
      },
    });
  });
});

describe('policies_broken', () => {
  it('finds all kinds, and each fix removes what it says', async () => {
    await db.sql.unsafe(`
      create table app."It's" ("deletedAt" timestamptz, "isDeleted" boolean);
      create index on app."It's" ("deletedAt");
      select nightshift.add_retention_policy('app."It''s"', '30 days', 'deletedAt', 'isDeleted');
      create table app.old (deleted_at timestamptz);
      create index on app.old (deleted_at);
      select nightshift.add_retention_policy('app.old', '30 days');
      create materialized view app."A view" as select 1 as n;
      select nightshift.add_refresh_policy('app."A view"');
      create table app."Days" (at date) partition by range (at);
      select nightshift.add_partition_policy('app."Days"', '1 day');
    `);
    expect(await findings('policies_broken')).toEqual({});
    await db.sql.unsafe(`
      alter table app."It's" alter "isDeleted" type text;
      drop table app.old, app."Days";
      drop materialized view app."A view";
    `);
    const found = await findings('policies_broken');
    expect(found).toMatchObject({
      'retention of app."It\'s"': {
        level: 'critical',
        detail: expect.stringMatching(/not boolean\. Where/),
      },
      'refresh of app."A view"': { level: 'critical' },
      'partitions of app."Days"': { level: 'critical', detail: 'Its table app."Days" is gone.' },
    });
    expect(Object.keys(found)).toHaveLength(4);
    await fixAll('policies_broken');
    const [left] = await db.sql`
      select (select count(*) from nightshift.retention_policies) + (select count(*) from nightshift.refresh_policies)
        + (select count(*) from nightshift.partition_policies) as n`;
    expect(left?.n).toBe('0');
  });

  it('leaves out what is switched off', async () => {
    await createSoftDeleted(db.sql, 'app.items', 1);
    await db.sql`select nightshift.alter_retention_policy('app.items', enabled => false)`;
    await db.sql`drop table app.items`;
    expect(await findings('policies_broken')).toEqual({});
  });
});

describe('stale_views', () => {
  it('is warned of at the budget of the view, and the fix is on record', async () => {
    await db.sql.unsafe(`
      create materialized view app.plain as select 1 as n;
      create materialized view app.empty as select 1 as n with no data;
      create unique index on app.empty (n);
      select nightshift.adopt_refresh_policies('app', '2 days');
    `);
    expect(await findings('stale_views')).toEqual({});
    await db.sql`update nightshift.refresh_policies set created_at = now() - interval '50 hours'`;
    const found = await findings('stale_views');
    expect(found['app.plain']).toMatchObject({
      level: 'warning',
      warning: 172_800,
      critical: 345_600,
      detail: expect.stringMatching(/^Its data may be 2 days old\. It has not been refreshed/),
    });
    expect(found['app.empty']?.fix).toMatch(/^select nightshift\.refresh_policy_view/);
    await fixAll('stale_views');
    expect(await findings('stale_views')).toEqual({});
    expect(await db.sql`select from nightshift.view_refreshes`).toHaveLength(2);
  });

  it('is unknown while it is made from a view of unknown age', async () => {
    await db.sql.unsafe(`
      create materialized view app.below as select 1 as n;
      create unique index on app.below (n);
      create materialized view app.above as select n from app.below;
      create unique index on app.above (n);
      select nightshift.add_refresh_policy('app.above', '1 hour');
      select nightshift.refresh_policy_view(nightshift.find_refresh_policy('app.above'));
    `);
    expect(await findings('stale_views')).toMatchObject({
      'app.above': { level: 'unknown', fix: "select nightshift.add_refresh_policy('app.below');" },
    });
    await fixAll('stale_views');
    expect(await findings('stale_views')).toMatchObject({
      'app.above': { level: 'unknown', detail: expect.stringMatching(/has not been refreshed by/) },
    });
    await db.sql`select nightshift.refresh_policy_view(nightshift.find_refresh_policy('app.below'))`;
    expect(await findings('stale_views')).toMatchObject({
      'app.above': { level: 'unknown', detail: expect.stringMatching(/was not known\.$/) },
    });
    await fixAll('stale_views');
    expect(await findings('stale_views')).toEqual({});
  });
});

describe('partition_horizon', () => {
  const create = (every: string, premake: number) =>
    db.sql.unsafe(`
      create table app.events (at timestamptz) partition by range (at);
      select nightshift.add_partition_policy('app.events', '${every}', ${premake});
      select nightshift.create_missing_partitions('app.events');
    `);
  const level = async (later: string) =>
    (await findings('partition_horizon', later))['app.events']?.level ?? 'ok';

  it.each([
    // A day and two hours are enough for a night, and an hour too few when the run does not come.
    ['1 hour', 26, { ok: 1.7 / 24, warning: 1.4 / 24, critical: 0.3 / 24 }, '24 hours'],
    ['1 day', 4, { ok: 2.1, warning: 1.9, critical: 0.4 }, '47 hours'],
    ['1 month', 4, { ok: 7.1, warning: 6.9, critical: 0.9 }, '80 days'],
  ])('of %s and %s ahead', async (every, premake, daysLeft, soon) => {
    await create(every, premake);
    expect(await level(soon)).toBe('ok');
    const [row] = await db.sql`
      select m.value from nightshift.health_partition_horizon(now()) m where m.subject = 'app.events'`;
    for (const [expected, days] of Object.entries(daysLeft)) {
      expect(await level(`${row?.value - days} days`), expected).toBe(expected);
    }
    expect(await level('1000 days')).toBe('critical');
  });

  it('makes more room where it ends before the next run', async () => {
    await create('1 hour', 10);
    const [found] = Object.values(await findings('partition_horizon', '10 hours'));
    expect(found?.fix).toBe(
      "select nightshift.alter_partition_policy('app.events', premake => 48); select nightshift.create_missing_partitions('app.events');",
    );
    await db.sql.unsafe(found?.fix ?? '');
    expect(await level('24 hours')).toBe('ok');
  });

  it('is not concerned with a table that takes all rows', async () => {
    await db.sql.unsafe(`
      create table app.events (at timestamptz) partition by range (at);
      create table app.rest partition of app.events for values from ('2001-01-01') to (maxvalue);
      select nightshift.add_partition_policy('app.events', '1 day');
    `);
    expect(await level('0')).toBe('ok');
  });
});

describe('default_partition_rows', () => {
  it('finds them with a policy and without, and the fix takes them to partitions of their own', async () => {
    await db.sql.unsafe(`
      create table app.with_policy (at date) partition by range (at);
      create table app.with_policy_rest partition of app.with_policy default;
      select nightshift.add_partition_policy('app.with_policy', '1 month');
      create table app."Without" (at timestamp) partition by range (at);
      create table app.week partition of app."Without" for values from ('2100-01-04') to ('2100-01-11');
      create table app."Without rest" partition of app."Without" default;
      create table app.listed (kind text) partition by list (kind);
      create table app.listed_rest partition of app.listed default;
      insert into app.with_policy values (now());
      insert into app."Without" values (now());
      insert into app.listed select n from generate_series(1, 10050) n;
    `);
    const found = await findings('default_partition_rows');
    expect(found).toMatchObject({
      'app.with_policy': { level: 'warning', value: 1 },
      'app."Without"': {
        value: 1,
        detail: '1 in app."Without rest".',
        fix: `select nightshift.add_partition_policy('app."Without"', '1 week');`,
      },
      'app.listed': { value: 10_000, detail: '10,000 or more in app.listed_rest.' },
    });
    // A policy first; then the partitions ahead; then those of the rows.
    await fixAll('default_partition_rows');
    await fixAll('default_partition_rows');
    await fixAll('default_partition_rows');
    expect(Object.keys(await findings('default_partition_rows'))).toEqual(['app.listed']);
  });

  it('does not read the table of a stranger, and says so', async () => {
    await db.sql.unsafe(`
      do $$ begin create role stranger; exception when duplicate_object then null; end $$;
      create role checker bypassrls in role pg_monitor, pg_read_all_data, stranger;
      grant create, usage on schema nightshift to checker;
      grant execute on all functions in schema nightshift to checker;
      grant all on all tables in schema nightshift to checker;
      alter function nightshift.get_health owner to checker;
      create table app.strange (kind text) partition by list (kind);
      create table app.strange_rest partition of app.strange default;
      alter table app.strange owner to stranger;
    `);
    try {
      expect(await findings('default_partition_rows')).toMatchObject({
        'app.strange': { level: 'unknown', detail: 'app.strange belongs to stranger' },
      });
    } finally {
      await db.sql.unsafe(`
        alter function nightshift.get_health owner to current_user;
        drop owned by checker; drop role checker; drop owned by stranger cascade; drop role stranger;
      `);
    }
  });
});

describe('soft deletes', () => {
  it('are those of markers that are named for it or have a flag, of the last hour', async () => {
    await db.sql.unsafe(`
      create table app.log (at timestamptz not null);
      create table app.flagged ("at" timestamp not null, "isDeleted" boolean);
      create table app.dated (at date);
      do $$
      declare t text;
      begin
        foreach t in array array['log', 'flagged', 'dated'] loop
          execute format('insert into app.%I select now() from generate_series(1, 200)', t);
          execute format('create index on app.%I (at)', t);
        end loop;
      end $$;
      update app.flagged set "isDeleted" = true;
      select nightshift.add_retention_policy('app.log', '30 days', 'at');
      select nightshift.add_retention_policy('app.flagged', '30 days', 'at', 'isDeleted');
      select nightshift.add_retention_policy('app.dated', '30 days', 'at');
    `);
    const found = await findings('soft_deletes');
    expect(Object.keys(found)).toEqual(['app.flagged']);
    expect(await db.sql.unsafe(found['app.flagged']?.fix ?? '')).toHaveLength(1);
    expect(await findings('soft_deletes', '61 minutes')).toEqual({});
  });

  it.each([
    [
      'an expiry that has passed, or has not',
      'expires_at',
      `now() + (n % 20 - 10) * interval '1 minute'`,
    ],
    ['a time that a trigger fills in', 'created_at', 'now()'],
    ['when a job was done', '"completedAt"', `case when n % 2 = 0 then now() end`],
  ])('are not %s', async (_, marker, value) => {
    await db.sql.unsafe(`
      create table app.items (n integer, ${marker} timestamptz);
      insert into app.items select n, ${value} from generate_series(1, 400) n;
      create index on app.items (${marker});
      select nightshift.add_retention_policy('app.items', '1 day', marker_column => '${marker.replaceAll('"', '')}');
      analyze app.items;
    `);
    expect(await findings('soft_deletes')).toEqual({});
    expect(await findings('soft_deleted_share')).toEqual({});
  });

  it.each(['deleted_at', '"removedOn"', 'archived_at', 'trashed'])('are %s', async (marker) => {
    await db.sql.unsafe(`
      create table app.items (n integer, ${marker} timestamptz not null default 'infinity');
      insert into app.items select n, case when n <= 150 then now() else 'infinity' end from generate_series(1, 200) n;
      create index on app.items (${marker});
      select nightshift.add_retention_policy('app.items', '30 days', marker_column => '${marker.replaceAll('"', '')}');
    `);
    expect(await findings('soft_deletes')).toMatchObject({ 'app.items': { value: 150 } });
  });

  it('have their share from the statistics of all partitions, by flag, and without those that say never', async () => {
    await db.sql.unsafe(`
      create table app.parts (id integer, deleted_at timestamptz) partition by range (id);
      create table app.parts_1 partition of app.parts for values from (0) to (1000);
      create table app.parts_2 partition of app.parts for values from (1000) to (9000);
      create table app.parts_3 partition of app.parts for values from (9000) to (9001);
      insert into app.parts select id, case when id < 1000 then '2001-01-01'::timestamptz when id < 1500 then '-infinity' end
      from generate_series(0, 1999) id;
      create index on app.parts (deleted_at);
      select nightshift.add_retention_policy('app.parts', '30 days');
      create table app.flagged (at timestamptz not null, gone boolean);
      insert into app.flagged select now(), n % 4 > 0 from generate_series(1, 400) n;
      create index on app.flagged (at);
      select nightshift.add_retention_policy('app.flagged', '30 days', 'at', 'gone');
      create table app.never (deleted_at timestamptz);
      create index on app.never (deleted_at);
      select nightshift.add_retention_policy('app.never', '30 days');
      analyze app.parts_1, app.parts_2, app.flagged;
    `);
    expect(await findings('soft_deleted_share')).toMatchObject({
      'app.parts': {
        level: 'info',
        value: 50,
        detail: expect.stringMatching(/^About 1,000 of 2,000/),
      },
      'app.flagged': { level: 'info', value: 75 },
    });
  });

  it('have an unknown share in a large table that was never analyzed', async () => {
    await db.sql.unsafe(`
      create table app.large (id integer, deleted_at timestamptz, filler text default repeat('x', 900)) with (fillfactor = 10);
      alter table app.large set (autovacuum_enabled = false);
      create index on app.large (deleted_at);
      insert into app.large select generate_series(1, 10010);
      select nightshift.add_retention_policy('app.large', '30 days');
    `);
    expect(await findings('soft_deleted_share')).toMatchObject({
      'app.large': { level: 'unknown', detail: 'It was never analyzed.' },
    });
    await fixAll('soft_deleted_share');
    expect(await findings('soft_deleted_share')).toEqual({});
  });
});
