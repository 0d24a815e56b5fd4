import type { JSONValue, Sql } from 'postgres';
import type { TestDatabase } from '../database.ts';
import type { HealthScenario } from '../health.ts';

interface PastRun {
  status?: 'succeeded' | 'partial' | 'failed' | 'continued';
  /** When it began and ended. */
  hoursAgo?: number;
  report?: JSONValue;
  error?: JSONValue;
}

/** A run as the ledger keeps it; without a status one that died. */
export async function recordRun(
  sql: Sql,
  job: string,
  { status, hoursAgo = 0, report = null, error = null }: PastRun,
): Promise<void> {
  const at = sql`now() - make_interval(secs => ${hoursAgo * 3600})`;
  const [begun] = await sql`
    select r.answer #>> '{run,id}' as id, r.answer #>> '{run,fence}' as fence
    from nightshift.begin_run(${job}, 'schedule', as_of => ${at}) r(answer)`;
  if (!status) return;
  await sql`
    select nightshift.finish_run(${begun?.id}, ${begun?.fence}, ${status}, ${sql.json(report)}, ${sql.json(error)})`;
  await sql`update nightshift.runs set finished_at = started_at where id = ${begun?.id}`;
}

/** The report of a purge of one table. */
export const purgeReport = (relation: string, rowsLeft: number, rowsBlocked = 0) => ({
  steps: [
    {
      relation,
      status: rowsLeft > 0 ? 'partial' : 'succeeded',
      dueRows: 1000,
      rowsLeft,
      rowsBlocked,
      blockedBy: rowsBlocked > 0 ? { 'needs on app.children': rowsBlocked } : {},
      reason:
        rowsBlocked > 0
          ? `${rowsBlocked} still needed by rows that stay`
          : 'time ran out; the next run goes on from here',
    },
  ],
});

/** Takes the right to read a table of ours from the owner of the checks. */
export const unreadable = (table: string) => async (db: TestDatabase) => {
  await db.sql.unsafe(
    `revoke select on nightshift.${table} from commoner; revoke pg_read_all_data from commoner`,
  );
  return () =>
    db.sql.unsafe(
      `grant select on nightshift.${table} to commoner; grant pg_read_all_data to commoner`,
    );
};

/** A table whose rows are soft-deleted, 11 of 13 for so many days, with a policy of 30 days. */
export async function createSoftDeleted(sql: Sql, table: string, days: number): Promise<void> {
  await sql.unsafe(`
    create table ${table} (id integer primary key, name text, deleted_at timestamptz);
    insert into ${table} (id, name, deleted_at)
    select id, 'name ' || id % 12, case when id <= 11 then now() - interval '${days} days' end from generate_series(1, 13) id;
    create index on ${table} (deleted_at);
    select nightshift.add_retention_policy('${table}', '30 days', max_fraction => 1);
  `);
}

/** As if all retention policies had been there for a year. */
export async function declareLongAgo(sql: Sql): Promise<void> {
  await sql`update nightshift.retention_policies set created_at = now() - interval '1 year'`;
}

export const nightShiftScenarios: HealthScenario[] = [
  {
    check: 'paused',
    finding: { subject: 'all jobs', level: 'info', detail: /UTC: an upgrade$/ },
    sicken: ({ sql }) => sql`select nightshift.pause('an upgrade')`,
    mend: 'fix',
    obstruct: unreadable('settings'),
  },
  {
    check: 'job_missed',
    finding: { subject: 'missed', level: 'critical', detail: /last ended .* UTC/ },
    sicken: ({ sql }) => recordRun(sql, 'missed', { status: 'succeeded', hoursAgo: 51 }),
    mend: ({ sql }) => recordRun(sql, 'missed', { status: 'succeeded' }),
    obstruct: unreadable('runs'),
  },
  {
    check: 'jobs_failing',
    finding: { subject: 'failing', level: 'critical', detail: /3 in a row.* NS502: No table/ },
    sicken: async ({ sql }) => {
      const error = { code: 'NS502', message: 'No table could be purged' };
      for (const hoursAgo of [72, 48, 24]) {
        await recordRun(sql, 'failing', { status: 'failed', hoursAgo, error });
      }
    },
    mend: ({ sql }) => recordRun(sql, 'failing', { status: 'succeeded' }),
    obstruct: unreadable('runs'),
  },
  {
    check: 'jobs_lost',
    finding: { subject: 'lost', level: 'warning', detail: /2 in a row.* after 0 s/ },
    sicken: async ({ sql }) => {
      for (const hoursAgo of [48, 24]) await recordRun(sql, 'lost', { hoursAgo });
    },
    mend: ({ sql }) => recordRun(sql, 'lost', { status: 'partial' }),
    obstruct: unreadable('runs'),
  },
  {
    check: 'jobs_partial',
    finding: {
      subject: 'partial',
      level: 'warning',
      detail: /2 in a row.* left app\.a: time ran out/,
    },
    sicken: async ({ sql }) => {
      for (const hoursAgo of [48, 24]) {
        const report = purgeReport('app.a', 7);
        await recordRun(sql, 'partial', { status: 'partial', hoursAgo, report });
      }
    },
    mend: ({ sql }) => recordRun(sql, 'partial', { status: 'succeeded' }),
    obstruct: unreadable('runs'),
  },
  {
    check: 'late_schedules',
    finding: {
      subject: 'noon',
      level: 'critical',
      detail: /^pg_cron does not start it\. Wakes for its last work: 8\. Answer .*: 404/,
    },
    sicken: async ({ sql }) => {
      await sql`insert into nightshift.home (project_url) values ('https://abcd.supabase.co')`;
      await sql`
        insert into nightshift.schedules (name, job, cron, due_at, waiting_since, posts, answer)
        values ('noon', 'retention-purge', '0 12 * * *', now(), now() - interval '3 hours', 8, '404 Not found')`;
    },
    mend: ({ sql }) => sql`select nightshift.unschedule_with_cron()`,
    obstruct: unreadable('schedules'),
  },
  {
    check: 'ledger_size',
    finding: { subject: 'nightshift.runs', level: 'warning', detail: /kept for 7 days/ },
    sicken: async ({ sql }) => {
      await sql.unsafe(`
        update nightshift.settings set ledger_retention = '7 days';
        insert into nightshift.runs (job, trigger, request_id, status, started_at, report)
        select 'much', 'cli', gen_random_uuid(), 'succeeded', now(), to_jsonb(repeat(md5(n::text), 32))
        from generate_series(1, 3000) n;
        delete from nightshift.runs where job = 'much';
        select nightshift.set_health_threshold('ledger_size', 'nightshift.runs', warning => 1000000);
      `);
      return () => sql`update nightshift.settings set ledger_retention = '90 days'`;
    },
    mend: 'fix',
    obstruct: { lock: 'nightshift.view_refreshes' },
  },
  {
    check: 'failed_restores',
    finding: {
      subject: 'app.restored',
      level: 'warning',
      detail: /^1 of 2 rows: 23505 live_names \(1\)\.$/,
    },
    sicken: async ({ sql }) => {
      await createSoftDeleted(sql, 'app.restored', 1);
      await sql`create unique index live_names on app.restored (name) where deleted_at is null`;
      // The name of the first is that of the thirteenth, which is alive.
      await sql`select nightshift.enable_soft_delete('app.restored')`;
      await sql`select nightshift.restore('app.restored', '[1, 2]')`;
    },
    mend: ({ sql }) => sql`update nightshift.deletion_events set at = at - interval '1 hour'`,
    obstruct: { lock: 'nightshift.deletion_events' },
  },
  {
    check: 'key_queries',
    finding: {
      subject: 'numbers',
      level: 'warning',
      detail:
        /^It may take 10 ms\. Fastest of 5 runs: 14 ms\. Blocks: 7 in shared buffers, 1 not\.$/,
    },
    sicken: ({ sql }) => declareMeasured(sql, [15]),
    mend: ({ sql }) => sql`select nightshift.alter_key_query('numbers', max_ms => 20)`,
    obstruct: unreadable('key_queries'),
  },
  {
    check: 'slower_key_queries',
    finding: {
      subject: 'numbers',
      level: 'warning',
      detail:
        /^Fastest 94(\.0)? ms, usually 14(\.0)? ms until .* UTC\. The plan is the same:\nResult$/,
    },
    sicken: ({ sql }) => declareMeasured(sql, [15, 15, 15, 15, 15, 95, 95]),
    mend: ({ sql }) => sql`select nightshift.alter_key_query('numbers', 'select 1')`,
    obstruct: unreadable('key_query_times'),
  },
];

/** A key query that took so many milliseconds in each of these nights. */
async function declareMeasured(sql: Sql, medians: number[]): Promise<void> {
  await sql`delete from nightshift.key_queries`;
  await sql`select nightshift.add_key_query('numbers', 'select 1', 10)`;
  for (const ms of medians) {
    const verdict = ms > 50 ? 'slower' : null;
    await sql`
      insert into nightshift.key_query_times (query, measured_at, runs, min_ms, median_ms, blocks_hit, blocks_read, plan, verdict)
      values ('numbers', now(), 5, ${ms - 1}, ${ms}, 7, 1, 'Result', ${verdict})`;
  }
}
