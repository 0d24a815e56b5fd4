import { beforeEach, describe, expect, it } from 'vitest';
import { runDocuments } from '../../functions/_shared/ledger.ts';
import { jobStates } from '../../functions/health-check/schema.ts';
import { setUpDatabase } from '../support/database.ts';

const db = setUpDatabase();
beforeEach(() => db.sql`truncate nightshift.runs`);

/** Noon of a day that all of this is seen from. */
const noon = '2026-03-10T12:00:00Z';

/** A run that began so many hours before noon. */
async function ran(
  hoursAgo: number,
  status: string,
  { job = 'retention-purge', dryRun = false, seconds = 10, quick = false } = {},
) {
  await db.sql`
    insert into nightshift.runs (job, trigger, request_id, status, dry_run, input, started_at, finished_at, lease_expires_at)
    select ${job}, 'schedule', gen_random_uuid(), ${status}, ${dryRun}, jsonb_build_object('quick', ${quick}::boolean), at,
      case when ${status} <> 'running' then at + make_interval(secs => ${seconds}) end,
      case when ${status} = 'running' then at + interval '1 minute' end
    from (values (${noon}::timestamptz - make_interval(secs => ${hoursAgo * 3600}))) run(at)`;
}

async function stateOf(job = 'retention-purge') {
  const [row] = await db.sql`select nightshift.describe_jobs(${noon}) as jobs`;
  const state = jobStates.parse(row?.jobs).find((candidate) => candidate.job === job);
  if (!state) throw new Error(`${job} is not there.`);
  return state;
}

describe('what the ledger says of a job', () => {
  it('is nothing, before it ever ran', async () => {
    expect(await stateOf()).toMatchObject({
      declaredAt: null,
      lastRun: null,
      lastSuccessAt: null,
      secondsSinceLastSuccess: null,
      failedInRow: 0,
    });
  });

  it('counts from its first policy, before it ever did its work', async () => {
    await db.sql.unsafe(`
      create table public.t (id integer primary key, deleted_at timestamptz);
      create index on public.t (deleted_at);
      select nightshift.add_retention_policy('public.t', '30 days');
      update nightshift.retention_policies set created_at = '${noon}'::timestamptz - interval '2 hours'`);
    expect((await stateOf()).secondsSinceLastSuccess).toBe(7_200);
    await ran(1, 'failed');
    expect(await stateOf()).toMatchObject({ secondsSinceLastSuccess: 7_200, failedInRow: 1 });
    await db.sql`drop table public.t`;
    await db.sql`delete from nightshift.retention_policies`;
  });

  it.each(['succeeded', 'partial', 'continued'])(
    'counts from the end of a run that %s',
    async (status) => {
      await ran(5, status);
      expect(await stateOf()).toMatchObject({
        secondsSinceLastSuccess: 5 * 3600 - 10,
        failedInRow: 0,
      });
    },
  );

  it('passes over dry runs, skipped ones, other jobs and the future', async () => {
    await ran(30, 'succeeded');
    await ran(3, 'succeeded', { dryRun: true });
    await ran(2, 'skipped');
    await ran(1, 'succeeded', { job: 'view-refresh' });
    await ran(-1, 'succeeded');
    const { secondsSinceLastSuccess, lastRun } = await stateOf();
    expect(secondsSinceLastSuccess).toBe(30 * 3600 - 10);
    expect(lastRun?.startedAt).toBe('2026-03-09T06:00:00+00:00');
  });

  it('counts failures and losses since the last time that it did its work', async () => {
    await ran(50, 'failed');
    await ran(40, 'partial');
    await ran(30, 'failed');
    await ran(20, 'lost');
    await ran(10, 'failed');
    expect(await stateOf()).toMatchObject({ failedInRow: 2, lostInRow: 1, partialInRow: 1 });
    await ran(5, 'succeeded');
    expect(await stateOf()).toMatchObject({ failedInRow: 0, lostInRow: 0, partialInRow: 0 });
  });

  it('counts how often in a row it left something over, whatever else happened', async () => {
    await ran(50, 'partial');
    await ran(40, 'succeeded');
    await ran(30, 'partial');
    await ran(20, 'failed');
    await ran(10, 'continued');
    expect(await stateOf()).toMatchObject({ partialInRow: 2, failedInRow: 0 });
  });

  it('counts a run whose lease has run out as lost, before anyone has marked it', async () => {
    await ran(1 / 120, 'running');
    expect((await stateOf()).lostInRow).toBe(0);
    await db.sql`truncate nightshift.runs`;
    await ran(1, 'running');
    expect((await stateOf()).lostInRow).toBe(1);
  });

  it('tells of such a run as lost with its last sign of life, wherever it is read, and writes nothing', async () => {
    await ran(1, 'running');
    const [row] = await db.sql<[{ id: string }]>`
      update nightshift.runs set heartbeat_at = started_at + interval '20 seconds' returning id`;
    const lost = {
      id: row.id,
      status: 'lost',
      finishedAt: '2026-03-10T11:00:20+00:00',
      error: {
        code: 'NS409',
        detail: 'Its last sign of life was at 2026-03-10 11:00:20 UTC.',
      },
    };
    expect((await stateOf()).lastRun).toMatchObject(lost);
    const [read] = await db.sql`
      select nightshift.get_run(${row.id}) as one, nightshift.find_run(${row.id}) as found,
        nightshift.list_runs() -> 0 as listed, nightshift.cancel_run(${row.id}) as cancelled,
        (select jsonb_agg(t.text) from nightshift.current_troubles(${noon}) t) as troubles,
        (select r.status from nightshift.runs r) as status`;
    expect(read).toMatchObject({
      one: lost,
      found: lost,
      listed: lost,
      cancelled: lost,
      troubles: ['The last run died.'],
      status: 'running',
    });
    await db.sql`update nightshift.runs set dry_run = true`;
    expect((await stateOf()).lastAside).toMatchObject(lost);
  });

  it('knows how long it usually takes, without the last run', async () => {
    for (const [index, seconds] of [10, 20, 30, 4_000].entries()) {
      await ran(100 - index, 'succeeded', { seconds });
    }
    expect((await stateOf()).usualDurationMs).toBe(20_000);
  });

  it('compares a full health check with full ones, and a quick one with quick ones', async () => {
    const job = 'health-check';
    for (const hoursAgo of [48, 24]) await ran(hoursAgo, 'succeeded', { job, seconds: 9 });
    for (const hoursAgo of [5, 4, 3]) {
      await ran(hoursAgo, 'succeeded', { job, seconds: 1, quick: true });
    }
    expect((await stateOf(job)).usualDurationMs).toBe(1_000);
    await ran(2, 'succeeded', { job, seconds: 8 });
    expect((await stateOf(job)).usualDurationMs).toBe(9_000);
  });
});

describe('the ledger', () => {
  it('forgets health checks after a week, and other runs after ninety days', async () => {
    for (const hours of [24 * 6, 24 * 8, 24 * 89, 24 * 91]) {
      await ran(hours, 'succeeded');
      await ran(hours, 'succeeded', { job: 'health-check' });
    }
    await db.sql`select nightshift.trim_runs(${noon})`;
    const left = await db.sql`
      select job, count(*)::integer as runs from nightshift.runs group by job order by job`;
    expect(left).toEqual([
      { job: 'health-check', runs: 1 },
      { job: 'retention-purge', runs: 3 },
    ]);
  });

  it('lists quick health checks only when asked for them, or when they went wrong', async () => {
    await ran(3, 'succeeded', { job: 'health-check' });
    await ran(2, 'succeeded', { job: 'health-check' });
    await ran(1, 'failed', { job: 'health-check' });
    await db.sql`update nightshift.runs set input = '{"quick": true}' where started_at > ${noon}::timestamptz - interval '150 minutes'`;
    const list = async (job: string | null) => {
      const [row] = await db.sql`select nightshift.list_runs(${job}) as runs`;
      return runDocuments.parse(row?.runs).map(({ status }) => status);
    };
    expect(await list(null)).toEqual(['failed', 'succeeded']);
    expect(await list('health-check')).toEqual(['failed', 'succeeded', 'succeeded']);
  });
});
