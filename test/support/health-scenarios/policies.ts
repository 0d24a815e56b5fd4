import type { HealthScenario } from '../health.ts';
import { runPurge } from '../purge.ts';
import {
  createSoftDeleted,
  declareLongAgo,
  purgeReport,
  recordRun,
  unreadable,
} from './night-shift.ts';

export const policyScenarios: HealthScenario[] = [
  {
    check: 'backlog_age',
    finding: {
      subject: 'app.backlog',
      level: 'critical',
      detail: /^The oldest row has been due since .* UTC\. No purge has been here yet\.$/,
    },
    sicken: async ({ sql }) => {
      await createSoftDeleted(sql, 'app.backlog', 38);
      await declareLongAgo(sql);
    },
    mend: (db) => runPurge(db, { only: ['app.backlog'] }),
    obstruct: { lock: 'app.backlog' },
  },
  {
    check: 'backlog_growth',
    finding: { subject: 'app.growing', level: 'warning', detail: /: 10, 20, 30, 40\./ },
    sicken: async ({ sql }) => {
      await createSoftDeleted(sql, 'app.growing', 1);
      for (const [n, hoursAgo] of [96, 72, 48, 24].entries()) {
        const report = purgeReport('app.growing', 10 * (n + 1));
        await recordRun(sql, 'retention-purge', { status: 'partial', hoursAgo, report });
      }
    },
    mend: ({ sql }) =>
      recordRun(sql, 'retention-purge', {
        status: 'succeeded',
        report: purgeReport('app.growing', 0),
      }),
    obstruct: unreadable('retention_policies'),
  },
  {
    check: 'policies_broken',
    finding: { subject: /^retention of app\.gone$/, level: 'critical', detail: /is gone/ },
    sicken: async ({ sql }) => {
      await createSoftDeleted(sql, 'app.gone', 1);
      await sql`drop table app.gone`;
    },
    mend: 'fix',
    obstruct: unreadable('refresh_policies'),
  },
  {
    check: 'stale_views',
    finding: { subject: 'app."Daily"', level: 'critical', detail: /may be 01:00:00 old/ },
    sicken: async ({ sql }) => {
      await sql.unsafe(`
        create table app.sold (id integer primary key);
        create materialized view app."Hourly" as select id from app.sold;
        create unique index on app."Hourly" (id);
        create materialized view app."Daily" as select id from app."Hourly";
        create unique index on app."Daily" (id);
        select nightshift.adopt_refresh_policies('app', '1 hour');
        select nightshift.refresh_policy_view(nightshift.find_refresh_policy('app."Hourly"'));
        select nightshift.refresh_policy_view(nightshift.find_refresh_policy('app."Daily"'));
        update nightshift.refresh_policies set data_as_of = now() - interval '2 hours';
      `);
    },
    mend: 'fix',
    obstruct: unreadable('refresh_policies'),
  },
  {
    check: 'partition_horizon',
    finding: { subject: 'app."Events"', level: 'critical', detail: /no partition for the rows/ },
    sicken: async ({ sql }) => {
      await sql.unsafe(`
        create table app."Events" (at timestamptz not null) partition by range (at);
        select nightshift.add_partition_policy('app."Events"', '1 day');
      `);
    },
    mend: 'fix',
    obstruct: unreadable('partition_policies'),
  },
  {
    check: 'default_partition_rows',
    finding: { subject: 'app.logs', level: 'warning', detail: /^12 in app\.logs_other\.$/ },
    sicken: async ({ sql }) => {
      await sql.unsafe(`
        create table app.logs (at timestamptz not null) partition by range (at);
        create table app.logs_other partition of app.logs default;
        insert into app.logs select now() from generate_series(1, 12);
        do $$ begin
          if to_regrole('commoner') is not null then
            alter table app.logs owner to commoner;
            alter table app.logs_other owner to commoner;
          end if;
        end $$;
      `);
    },
    mend: ({ sql }) => sql`delete from app.logs`,
    obstruct: { lock: 'app.logs_other' },
  },
  {
    check: 'soft_deletes',
    finding: { subject: 'app.emptied', level: 'warning', detail: /^150 in the hour before/ },
    sicken: async ({ sql }) => {
      await createSoftDeleted(sql, 'app.emptied', 1);
      await sql`insert into app.emptied (id, deleted_at) select id, now() from generate_series(101, 250) id`;
    },
    mend: ({ sql }) => sql`update app.emptied set deleted_at = null where deleted_at is not null`,
    obstruct: { revoke: 'app.emptied' },
  },
  {
    check: 'soft_deleted_share',
    finding: { subject: 'app.tombs', level: 'info', detail: /^About 11 of 13 rows/ },
    sicken: async ({ sql }) => {
      await createSoftDeleted(sql, 'app.tombs', 1);
      await sql`select nightshift.enable_soft_delete('app.tombs')`;
      await sql`analyze app.tombs`;
    },
    mend: async ({ sql }) => {
      await sql`select nightshift.restore('app.tombs', (select jsonb_agg(id) from app.tombs))`;
      await sql`analyze app.tombs`;
    },
    obstruct: { revoke: 'app.tombs' },
  },
];
