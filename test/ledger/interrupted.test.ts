import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { deadlineIn, systemClock } from '../../functions/_shared/clock.ts';
import { runDocument, startAnswer } from '../../functions/_shared/ledger.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { progressInWords } from '../../functions/_shared/progress.ts';
import { createRpc, type Rpc, type RpcName } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import { Stop, stoppedByHand } from '../../functions/_shared/stop.ts';
import { type JobName, loadJob } from '../../functions/registry.ts';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { idsOf, range } from '../support/rows.ts';
import { until, waiting } from '../support/waiting.ts';

const anything = z.unknown();

const db = setUpDatabase();
let rpc: Rpc;
beforeAll(async () => {
  rpc = createRpc(await db.gateway(), deadlineIn(systemClock, 60_000));
});
beforeEach(() => startAfresh(db.sql));

interface Night {
  dryRun?: boolean;
  stop?: Stop;
  /** The attempt that asked for this one. */
  resume?: { runId: string; attempt: number };
  /** Awaited before the nth call of a function, counted from 1: whatever happens to the run then. */
  before?: [name: RpcName, nth: number, happens: (runId: string) => unknown];
}

/** Runs a job, and lets something happen to the run before one of its calls. */
async function runNight(job: JobName, { dryRun = false, stop, resume, before }: Night = {}) {
  let calls = 0;
  const call: Rpc['call'] = async (name, args, answer, options) => {
    const runId = 'run_id' in args ? args.run_id : '';
    if (before && name === before[0] && ++calls === before[1]) await before[2](runId);
    // One row a page, and so one a batch.
    const few = 'batch_rows' in args ? { ...args, batch_rows: 1 } : args;
    return rpc.call(name, few, answer, options);
  };
  const { run, outcome, error, other } = await runJob(
    await loadJob(job),
    { trigger: 'cli', input: { dryRun }, ...(resume ? { resume } : {}) },
    {
      rpc: { call },
      clock: systemClock,
      deadline: deadlineIn(systemClock, 40_000),
      log: silentLog,
      metrics: noMetrics,
      ...(stop ? { stop } : {}),
    },
  );
  return { run, outcome, error, other };
}

const pause = () => rpc.call('pause', { reason: 'moving house' }, anything);
const cancel = (run_id: string) =>
  rpc.call('cancel_run', { run_id, requested_by: 'ada' }, runDocument);
const planOf = (job: JobName) => `plan_${job.replace('-', '_')}` as RpcName;
const begin = async (job: JobName = 'retention-purge') =>
  (await rpc.call('begin_run', { job, trigger: 'cli' }, startAnswer)).run;
const finish = (run: { id: string; fence: number }, status: string) =>
  rpc.call('finish_run', { run_id: run.id, fence: run.fence, status }, runDocument);
const unpause = () => rpc.call('unpause', {}, anything);

const items = `
  create table app.items (
    id integer primary key, deleted_at timestamptz, filler text not null default repeat('x', 700)
  ) with (fillfactor = 10);
  insert into app.items select id, now() - interval '40 days' from generate_series(1, 6) id;
  create index on app.items (deleted_at);
  select nightshift.add_retention_policy('app.items', '30 days', max_fraction => 1);`;

const views = `
  create table app.numbers as select n from generate_series(1, 10) n;
  create materialized view app.first as select n from app.numbers;
  create unique index on app.first (n);
  create materialized view app.second as select n from app.first;
  create unique index on app.second (n);
  select nightshift.adopt_refresh_policies('app');
  select pg_stat_force_next_flush();`;

const partitions = `
  create table app.metrics (day date not null) partition by range (day);
  create table app.events (day date not null) partition by range (day);
  alter table app.metrics add primary key (day);
  create table app.of_metrics (day date references app.metrics);
  alter table app.events add primary key (day);
  create table app.of_events (day date references app.events);
  select nightshift.add_partition_policy('app.metrics', '1 month', premake => 2);
  select nightshift.add_partition_policy('app.events', '1 month', premake => 2);`;

/** What a job has to do, the call that does a part of it, and what the ledger says when one part is done. */
const works: [JobName, { sql: string; part: RpcName; done: RegExp }][] = [
  ['retention-purge', { sql: items, part: 'purge_batch', done: /^1 of about 6 due rows purged$/ }],
  ['view-refresh', { sql: views, part: 'refresh_view', done: /^1 view refreshed$/ }],
  [
    'partition-maintenance',
    { sql: partitions, part: 'create_partitions', done: /^\d partitions? made$/ },
  ],
];

const statusesOf = ({ report }: { report: unknown }) =>
  z
    .object({ steps: z.array(z.object({ status: z.string() })) })
    .parse(report)
    .steps.map(({ status }) => status);

describe.each(works)('%s', (job, { sql, part, done }) => {
  beforeEach(() => db.sql.unsafe(sql));

  it.each([
    ['a cancel', cancel, 'The run was cancelled by ada'],
    ['a pause', pause, 'Nightshift was paused: moving house'],
  ])(
    'ends as interrupted by %s, keeps what it has done, and the next run does the rest',
    async (_, stop, message) => {
      const { run, error } = await runNight(job, { before: [part, 2, stop] });
      expect(run).toMatchObject({ status: 'interrupted', error: { code: 'NS410', message } });
      expect(error).toBeUndefined();
      expect(progressInWords(run.progress)).toMatch(done);
      expect(statusesOf(run)).not.toContain('failed');
      expect(JSON.stringify(run.report)).not.toMatch(/time ran out|no time/);
      await unpause();
      expect((await runNight(job)).run.status).toBe('succeeded');
    },
  );

  it('ends as interrupted by Ctrl-C in its first millisecond, and has done nothing', async () => {
    const stop = new Stop();
    const { run } = await runNight(job, {
      stop,
      before: ['begin_run', 1, () => stop.raise(stoppedByHand('Ctrl-C'))],
    });
    expect(run).toMatchObject({
      status: 'interrupted',
      error: { code: 'NS410', message: 'The run was stopped with Ctrl-C' },
    });
    expect(progressInWords(run.progress)).toBe('nothing done yet');
  });

  it('ends as interrupted by Ctrl-C in a later attempt that has done nothing yet', async () => {
    const begun = await begin(job);
    await finish(begun, 'continued');
    const stop = new Stop();
    const { run } = await runNight(job, {
      stop,
      resume: { runId: begun.id, attempt: 1 },
      before: [planOf(job), 1, () => stop.raise(stoppedByHand('Ctrl-C'))],
    });
    expect(run).toMatchObject({ status: 'interrupted', attempt: 2, error: { code: 'NS410' } });
    expect(statusesOf(run)).not.toContain('failed');
  });

  it.each([
    ['a cancel', cancel],
    ['a pause', pause],
  ])('ends as interrupted by %s before its plan is made', async (_, stop) => {
    const { run } = await runNight(job, { before: [planOf(job), 1, stop] });
    expect(run.status).toBe('interrupted');
    expect(progressInWords(run.progress)).toBe('nothing done yet');
  });
});

it('a run that has failed by itself when it is stopped keeps its own error', async () => {
  await db.sql.unsafe(`${items} alter table app.items drop column deleted_at`);
  const stop = new Stop();
  const { run, error } = await runNight('retention-purge', {
    stop,
    before: ['heartbeat_run', 1, () => stop.raise(stoppedByHand('Ctrl-C'))],
  });
  expect(stop.why).toBeDefined();
  expect(run).toMatchObject({
    status: 'failed',
    error: { code: 'NS502', message: 'No table could be purged' },
  });
  expect(error?.code).toBe('NS502');
});

describe('a cancel', () => {
  it('of a health check is heard, while a pause does not keep it', async () => {
    const cancelled = await runNight('health-check', { before: ['check_health', 1, cancel] });
    expect(cancelled.run.status).toBe('interrupted');
    const paused = await runNight('health-check', { before: ['check_health', 1, pause] });
    expect(paused.run.status).toBe('succeeded');
    await unpause();
  });

  it('of a dry run is heard as well', async () => {
    await db.sql.unsafe(items);
    const { run } = await runNight('retention-purge', {
      dryRun: true,
      before: ['purge_batch', 2, cancel],
    });
    expect(run).toMatchObject({ status: 'interrupted', dryRun: true });
    expect(statusesOf(run)).toEqual(['partial']);
    expect(await idsOf(db.sql, 'app.items')).toEqual(range(1, 6));
  });

  const cancelledByAda = {
    status: 'interrupted',
    cancelRequestedBy: 'ada',
    error: {
      code: 'NS410',
      message: 'The run was cancelled by ada',
      detail: expect.stringMatching(/^At \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\.$/),
      hint: 'What it had committed stays; the next run goes on from there.',
    },
  };

  it('of a run that waits to be continued ends it at once, and no event resumes it', async () => {
    const run = await begin();
    await finish(run, 'continued');
    expect(await cancel(run.id)).toMatchObject(cancelledByAda);
    const resumed = await rpc.call('resume_run', { run_id: run.id, attempt: 1 }, startAnswer);
    expect(resumed).toMatchObject({ outcome: 'duplicate', run: { status: 'interrupted' } });
  });

  it('that comes with the last batch of an attempt keeps the run from being continued', async () => {
    const run = await begin();
    await cancel(run.id);
    expect(await finish(run, 'continued')).toMatchObject(cancelledByAda);
    // The same call once more, because its answer was lost.
    expect(await finish(run, 'continued')).toMatchObject(cancelledByAda);
  });

  it.each([
    [
      'that is being resumed is for the attempt that begins',
      'select nightshift.resume_run(id, 1)',
      { status: 'running', cancelRequestedBy: 'ada', error: null },
    ],
    [
      'whose attempt is ending with work left keeps it from being continued',
      `select nightshift.finish_run(id, fence, 'continued')`,
      cancelledByAda,
    ],
  ])('of a run %s', async (_, statement, expected) => {
    const run = await begin();
    if (statement.includes('resume')) await finish(run, 'continued');
    const other = db.connect();
    await other`begin`;
    await other.unsafe(`${statement} from nightshift.runs where id = '${run.id}'`);
    const cancelling = cancel(run.id);
    await until('it waits for the run', async () => (await waiting(db.sql, 'cancel_run')) > 0);
    await other`commit`;
    expect(await cancelling).toMatchObject(expected);
  });

  it.each([
    ['whose attempt ended seven hours ago', `finished_at = now() - interval '7 hours'`],
    ['that was begun forty times', 'attempt = 40'],
  ])('changes nothing of a run %s, which nothing would continue', async (_, change) => {
    const run = await begin();
    await finish(run, 'continued');
    await db.sql.unsafe(`update nightshift.runs set ${change}`);
    const unchanged = { status: 'continued', cancelRequestedAt: null, error: null };
    expect(await cancel(run.id)).toMatchObject(unchanged);
    await db.sql`update nightshift.runs set finished_at = now(), attempt = 39`;
    expect(await cancel(run.id)).toMatchObject(cancelledByAda);
  });

  it('changes nothing of a run that has ended, and says so of one that nobody knows', async () => {
    const run = await begin();
    await finish(run, 'succeeded');
    expect(await cancel(run.id)).toMatchObject({ status: 'succeeded', cancelRequestedAt: null });
    await expect(cancel(crypto.randomUUID())).rejects.toMatchObject({ code: 'NS404' });
  });
});

describe('a run that another one keeps waiting', () => {
  it('names it, since when, and how far it is', async () => {
    await db.sql.unsafe(items);
    let skipped: Awaited<ReturnType<typeof runNight>> | undefined;
    const { run } = await runNight('retention-purge', {
      before: ['purge_batch', 3, async () => (skipped = await runNight('retention-purge'))],
    });
    expect(skipped?.outcome).toBe('skipped');
    expect(skipped?.run.report).toMatchObject({
      message: expect.stringMatching(
        new RegExp(`^Another run of this job is under way: ${run.id.slice(0, 8)}, since \\d{4}-`),
      ),
    });
    expect(skipped?.other).toMatchObject({ id: run.id, status: 'running' });
    expect(progressInWords(skipped?.other?.progress)).toBe('2 of about 6 due rows purged');
  });

  it('is none, when one of the two is dry', async () => {
    await db.sql.unsafe(items);
    const outcomes: string[] = [];
    await runNight('retention-purge', {
      before: [
        'purge_batch',
        2,
        async () => {
          const { run } = await runNight('retention-purge', {
            dryRun: true,
            before: [
              'purge_batch',
              1,
              async () =>
                outcomes.push((await runNight('retention-purge', { dryRun: true })).run.status),
            ],
          });
          outcomes.push(run.status);
        },
      ],
    });
    expect(outcomes).toEqual(['succeeded', 'succeeded']);
  });
});

describe('a run is found', () => {
  it('by its id, or by the beginning of it that no other has', async () => {
    const id = (end: string) => `3f0c6c7e-55a5-4f6e-9d0a-0a4b1f7a2c${end}`;
    await db.sql`
      insert into nightshift.runs (id, request_id, job, trigger, status, started_at)
      select i::uuid, gen_random_uuid(), 'retention-purge', 'cli', 'succeeded', now()
      from unnest(${[id('11'), id('12')]}::text[]) i`;
    const find = (text: string) => rpc.call('find_run', { id: text }, runDocument);
    expect((await find(id('11'))).id).toBe(id('11'));
    expect((await find(id('1').slice(0, -1).concat('12').toUpperCase())).id).toBe(id('12'));
    await expect(find('3f0c6c7e')).rejects.toMatchObject({ code: 'NS422' });
    for (const unknown of ['3f0', 'ffffffff', 'x; drop table', `${id('11')}0`]) {
      await expect(find(unknown)).rejects.toMatchObject({ code: 'NS404' });
    }
  });
});
