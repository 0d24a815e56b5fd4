import { randomUUID } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { deadlineIn, systemClock } from '../../functions/_shared/clock.ts';
import { type RunDocument, runDocument, startAnswer } from '../../functions/_shared/ledger.ts';
import { maxAttempts } from '../../functions/_shared/publish-outcome.ts';
import { createRpc, type Rpc } from '../../functions/_shared/rpc.ts';
import { purgedBatch, purgePlan } from '../../functions/retention-purge/schema.ts';
import { expireLease, setUpDatabase, startAfresh } from '../support/database.ts';
import { auditDeletes, deletedIds, runPurge, stepOf } from '../support/purge.ts';
import { checksum, idsOf, range } from '../support/rows.ts';
import { until } from '../support/waiting.ts';

const items = 'app.items';
const purge = { job: 'retention-purge', trigger: 'cli' };
const noon = '2031-01-01T12:00:00+00:00';
const afterNoon = (seconds: number) =>
  `2031-01-01T12:${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}+00:00`;

const db = setUpDatabase();
let rpc: Rpc;
beforeAll(async () => {
  rpc = createRpc(await db.gateway(), deadlineIn(systemClock, 60_000));
});
beforeEach(() => startAfresh(db.sql));

const begin = (args: Record<string, unknown> = {}) =>
  rpc.call('begin_run', { ...purge, ...args }, startAnswer);
const finish = (run: RunDocument, status: string, args: Record<string, unknown> = {}) =>
  rpc.call('finish_run', { run_id: run.id, fence: run.fence, status, ...args }, runDocument);
const resume = (runId: string, attempt: number, args: Record<string, unknown> = {}) =>
  rpc.call('resume_run', { run_id: runId, attempt, ...args }, startAnswer);
const batch = (run: RunDocument, fence = run.fence) =>
  rpc.call('purge_batch', { run_id: run.id, fence, relation: items, batch_rows: 1 }, purgedBatch);
const plan = (run: RunDocument, fence = run.fence) =>
  rpc.call('plan_retention_purge', { run_id: run.id, fence }, purgePlan);

/** Six due rows, one a page and so one a batch. */
async function createItems(): Promise<void> {
  await db.sql.unsafe(`
    create table app.items (
      id integer primary key, deleted_at timestamptz, filler text not null default repeat('x', 700)
    ) with (fillfactor = 10);
    insert into app.items select id, now() - interval '40 days' from generate_series(1, 6) id;
    create index on app.items (deleted_at);
    select nightshift.add_retention_policy('app.items', '30 days', max_fraction => 1);
  `);
  await auditDeletes(db.sql, items);
}

const ledger = () => checksum(db.sql, 'nightshift.runs');
const oneByOne = { batchRows: 1 };
const twenty = range(1, 20);

describe('twenty triggers at once', () => {
  it('start one run when they are the same request, and all see that run', async () => {
    await createItems();
    const idempotencyKey = randomUUID();
    const results = await Promise.all(twenty.map(() => runPurge(db, {}, { idempotencyKey })));
    const outcomes = results.map((result) => result.outcome);
    expect(outcomes.filter((outcome) => outcome === 'started')).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === 'duplicate')).toHaveLength(19);
    expect(new Set(results.map((result) => result.run.id)).size).toBe(1);
    expect(await deletedIds(db.sql)).toEqual(range(1, 6));
    expect(
      await db.sql`select status from nightshift.runs where idempotency_key = ${idempotencyKey}`,
    ).toEqual([{ status: 'succeeded' }]);
  });

  it('run one and skip the rest when they are different requests, all in the ledger', async () => {
    await createItems();
    const keys = twenty.map(() => randomUUID());
    const answered = Promise.withResolvers<void>();
    let skipped = 0;
    const results = await Promise.all(
      keys.map(async (idempotencyKey) => {
        // The one that runs stays in mid-run until the others have their answers.
        const beforeBatch = () => answered.promise;
        const result = await runPurge(db, {}, { idempotencyKey, beforeBatch });
        if (result.outcome === 'skipped' && ++skipped === 19) answered.resolve();
        return result;
      }),
    );
    const winner = results.find((result) => result.outcome === 'started');
    expect(winner?.run.status).toBe('succeeded');
    const ids = results.map(({ run }) => run.id);
    expect(
      await db.sql`
        select status, count(*)::int as runs from nightshift.runs
        where id = any(${ids}) group by status order by status`,
    ).toEqual([
      { status: 'skipped', runs: 19 },
      { status: 'succeeded', runs: 1 },
    ]);
    for (const { outcome, run } of results) {
      if (outcome !== 'skipped') continue;
      expect(run.report).toMatchObject({ reason: 'overlap', runId: winner?.run.id });
    }
  });

  it('resume a run once when they are the same continuation', async () => {
    const { run } = await begin();
    await finish(run, 'continued');
    const results = await Promise.all(twenty.map(() => resume(run.id, 1)));
    const outcomes = results.map((result) => result.outcome).toSorted();
    expect(outcomes).toEqual([...twenty.slice(1).map(() => 'duplicate'), 'started']);
  });
});

describe('a stale fence', () => {
  it('is refused by every write of a run, and nothing changes', async () => {
    await createItems();
    const stale = (await begin()).run;
    await plan(stale);
    await finish(stale, 'continued');
    const current = (await resume(stale.id, 1)).run;
    expect(current.fence).toBeGreaterThan(stale.fence);

    const before = await ledger();
    const refused = { code: 'NS409', hint: expect.stringContaining('Stop this attempt') };
    const lease = { run_id: stale.id, fence: stale.fence };
    await expect(plan(stale)).rejects.toMatchObject(refused);
    await expect(batch(stale)).rejects.toMatchObject(refused);
    await expect(rpc.call('heartbeat_run', lease, runDocument)).rejects.toMatchObject(refused);
    await expect(
      rpc.call('measure_retention_backlog', { ...lease, relation: items }, z.unknown()),
    ).rejects.toMatchObject(refused);
    for (const status of ['continued', 'succeeded', 'partial', 'failed']) {
      await expect(finish(stale, status)).rejects.toMatchObject(refused);
    }
    expect(await ledger()).toBe(before);
    expect(await deletedIds(db.sql)).toEqual([]);

    expect((await batch(current)).step.rowsPurged).toBe(1);
    expect((await finish(current, 'succeeded')).status).toBe('succeeded');
  });

  it('is refused after the run was taken over as lost, and by a fence from the future', async () => {
    await createItems();
    const stale = (await begin({ as_of: '2021-01-01T00:00:00Z' })).run;
    const { run, lost } = await begin();
    expect(lost).toEqual([stale.id]);
    await plan(run);
    const before = await ledger();
    await expect(batch(stale)).rejects.toMatchObject({ code: 'NS409' });
    await expect(batch(stale, run.fence)).rejects.toMatchObject({ code: 'NS409' });
    await expect(batch(run, run.fence + 1)).rejects.toMatchObject({ code: 'NS409' });
    await expect(finish(stale, 'succeeded')).rejects.toMatchObject({ code: 'NS409' });
    expect(await ledger()).toBe(before);
    expect(await deletedIds(db.sql)).toEqual([]);
  });

  it('ends the run that carries it, with the work of both attempts done once', async () => {
    await createItems();
    let takeover: Awaited<ReturnType<typeof runPurge>> | undefined;
    await expect(
      runPurge(
        db,
        {},
        {
          ...oneByOne,
          beforeBatch: async (nth) => {
            if (nth !== 3) return;
            await expireLease(db.sql);
            takeover = await runPurge(db, {}, oneByOne);
          },
        },
      ),
    ).rejects.toMatchObject({ code: 'NS409' });
    expect(takeover?.run.status).toBe('succeeded');
    expect(takeover?.report.rowsPurged).toBe(4);
    expect(await deletedIds(db.sql)).toEqual(range(1, 6));
  });

  it('is not taken over in mid-batch: the takeover waits, and finds the lease alive', async () => {
    await createItems();
    const { run } = await begin();
    await plan(run);
    await expireLease(db.sql);
    const slow = db.connect();
    await slow`begin`;
    await slow`select nightshift.purge_batch(${run.id}, ${run.fence}, ${items}, 1)`;
    const taking = begin();
    await until('begin_run waits for the batch', async () => {
      const waiting = await db.sql`
        select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%begin_run%'`;
      return waiting.length === 1;
    });
    await slow`commit`;
    expect(await taking).toMatchObject({ outcome: 'skipped', lost: [] });
    expect((await batch(run)).step.rowsPurged).toBe(2);
  });
});

describe('a lease', () => {
  it('keeps others out to its last moment and lets the next one mark the run lost', async () => {
    const { run } = await begin({ as_of: noon, lease_seconds: 60 });
    const early = await begin({ as_of: afterNoon(59) });
    expect(early).toMatchObject({ outcome: 'skipped', lost: [] });

    const next = await begin({ as_of: afterNoon(60) });
    expect(next).toMatchObject({ outcome: 'started', lost: [run.id] });
    expect(next.run.fence).toBeGreaterThan(run.fence);
    // It ended with its last sign of life, and not when somebody found it.
    expect(await rpc.call('get_run', { run_id: run.id }, runDocument)).toMatchObject({
      status: 'lost',
      finishedAt: noon,
      error: {
        code: 'NS409',
        detail: 'Its last sign of life was at 2031-01-01 12:00:00 UTC.',
      },
    });
  });

  it('of one job keeps no other job out', async () => {
    await begin({ as_of: noon });
    expect(await begin({ job: 'another-job', as_of: noon })).toMatchObject({ outcome: 'started' });
  });

  it('is extended by every write of the run', async () => {
    await createItems();
    const { run } = await begin();
    for (const write of [
      () => rpc.call('heartbeat_run', { run_id: run.id, fence: run.fence }, runDocument),
      () => plan(run),
      () => batch(run),
    ]) {
      await db.sql`update nightshift.runs set lease_expires_at = now() where id = ${run.id}`;
      await write();
      const [row] = await db.sql`
        select lease_expires_at > now() + interval '50 seconds' as extended
        from nightshift.runs where id = ${run.id}`;
      expect(row?.extended).toBe(true);
    }
  });

  it('is refused when it would last no second, and nothing is written', async () => {
    const before = await ledger();
    await expect(begin({ lease_seconds: 0 })).rejects.toMatchObject({ code: 'NS422' });
    expect(await ledger()).toBe(before);
  });
});

describe('a call that is repeated because its answer was lost', () => {
  it('gets the same answer from begin_run, with one run in the ledger', async () => {
    const call = { request_id: randomUUID(), idempotency_key: randomUUID() };
    const first = await begin(call);
    const before = await ledger();
    expect(await begin(call)).toEqual(first);
    expect(await ledger()).toBe(before);
  });

  it('is skipped again by begin_run when it was skipped', async () => {
    await begin();
    const request_id = randomUUID();
    const first = await begin({ request_id });
    expect(first.outcome).toBe('skipped');
    expect(await begin({ request_id })).toEqual(first);
  });

  it('starts nothing in begin_run when the run has ended since', async () => {
    const request_id = randomUUID();
    const { run } = await begin({ request_id });
    await finish(run, 'succeeded');
    expect(await begin({ request_id })).toMatchObject({
      outcome: 'duplicate',
      run: { id: run.id, status: 'succeeded' },
    });
  });

  it('gets the same answer also when the lease ran out in the meantime, unless another run has noticed', async () => {
    const request_id = randomUUID();
    const first = await begin({ request_id, as_of: noon });
    const again = {
      outcome: 'started',
      run: { id: first.run.id, fence: first.run.fence },
      lost: [],
    };
    expect(await begin({ request_id, as_of: afterNoon(90) })).toMatchObject(again);
    expect(await begin({ as_of: afterNoon(120) })).toMatchObject({ outcome: 'skipped', lost: [] });

    await finish(first.run, 'continued');
    const next = { request_id: randomUUID() };
    const resumed = await resume(first.run.id, 1, { ...next, as_of: afterNoon(130) });
    expect(await resume(first.run.id, 1, { ...next, as_of: afterNoon(220) })).toMatchObject({
      outcome: 'started',
      run: { fence: resumed.run.fence, attempt: 2 },
    });

    const other = await begin({ as_of: afterNoon(290) });
    expect(other).toMatchObject({ outcome: 'started', lost: [first.run.id] });
    expect(await resume(first.run.id, 1, { ...next, as_of: afterNoon(295) })).toMatchObject({
      outcome: 'duplicate',
      run: { status: 'lost' },
    });
  });

  it('gets the same answer from resume_run, until that attempt has ended', async () => {
    const { run } = await begin();
    await finish(run, 'continued');
    const request_id = randomUUID();
    const first = await resume(run.id, 1, { request_id });
    const before = await ledger();
    expect(await resume(run.id, 1, { request_id })).toEqual(first);
    expect(await ledger()).toBe(before);

    await finish(first.run, 'continued');
    const ended = await ledger();
    expect((await resume(run.id, 1, { request_id })).outcome).toBe('duplicate');
    expect(await ledger()).toBe(ended);
  });
});

describe('an idempotency key', () => {
  it('of a skipped run may ask again, because nothing was done for it', async () => {
    const { run } = await begin();
    const idempotency_key = randomUUID();
    expect(await begin({ idempotency_key })).toMatchObject({ outcome: 'skipped' });
    await finish(run, 'succeeded');
    expect(await begin({ idempotency_key })).toMatchObject({ outcome: 'started' });
    expect(await begin({ idempotency_key })).toMatchObject({ outcome: 'duplicate' });
  });

  it('keeps answering with its run, however that ended', async () => {
    for (const status of ['succeeded', 'partial', 'failed', 'continued']) {
      const idempotency_key = randomUUID();
      const { run } = await begin({ idempotency_key });
      await finish(run, status);
      expect(await begin({ idempotency_key })).toMatchObject({
        outcome: 'duplicate',
        run: { id: run.id, status },
      });
    }
  });

  it('with another input is refused, and nothing changes', async () => {
    const idempotency_key = randomUUID();
    await begin({ idempotency_key, input: { force: false } });
    const before = await ledger();
    await expect(begin({ idempotency_key, input: { force: true } })).rejects.toMatchObject({
      code: 'NS422',
      hint: expect.stringContaining('new key'),
    });
    expect(await ledger()).toBe(before);
  });
});

describe('a continuation', () => {
  it('resumes the run once, under a new fence; the same one again changes nothing', async () => {
    const { run } = await begin();
    await finish(run, 'continued');
    const first = await resume(run.id, 1);
    expect(first).toMatchObject({ outcome: 'started', run: { id: run.id, attempt: 2 } });
    expect(first.run.fence).toBeGreaterThan(run.fence);
    const before = await ledger();
    expect((await resume(run.id, 1)).outcome).toBe('duplicate');
    expect(await ledger()).toBe(before);
  });

  it('out of order changes nothing: an old attempt, a future one, or of a run not continued', async () => {
    const { run } = await begin();
    const early = await ledger();
    expect((await resume(run.id, 1)).outcome).toBe('duplicate');
    expect(await ledger()).toBe(early);

    await finish(run, 'continued');
    const second = (await resume(run.id, 1)).run;
    await finish(second, 'continued');
    const before = await ledger();
    for (const attempt of [0, 1, 3]) {
      expect((await resume(run.id, attempt)).outcome).toBe('duplicate');
    }
    expect(await ledger()).toBe(before);

    const third = (await resume(run.id, 2)).run;
    await finish(third, 'succeeded');
    const ended = await ledger();
    for (const attempt of [1, 2, 3]) {
      expect((await resume(run.id, attempt)).outcome).toBe('duplicate');
    }
    expect(await ledger()).toBe(ended);
  });

  it('is skipped while another run is under way or Nightshift is paused', async () => {
    const { run } = await begin();
    await finish(run, 'continued');
    const other = (await begin()).run;
    expect((await resume(run.id, 1)).outcome).toBe('skipped');
    await finish(other, 'succeeded');

    await rpc.call('pause', { reason: 'moving house' }, z.unknown());
    expect((await resume(run.id, 1)).outcome).toBe('skipped');
    await rpc.call('unpause', {}, z.unknown());
    expect((await resume(run.id, 1)).outcome).toBe('started');
  });

  it.each([
    ['whose attempt ended seven hours ago', `finished_at = now() - interval '7 hours'`, 1],
    ['that was begun forty times', `attempt = ${maxAttempts}`, maxAttempts],
  ])('has no run go on %s, also by an event that is made up', async (_, change, attempt) => {
    const { run } = await begin();
    await finish(run, 'continued');
    await db.sql.unsafe(`update nightshift.runs set ${change}`);
    expect((await resume(run.id, attempt)).outcome).toBe('skipped');
    await db.sql`update nightshift.runs set finished_at = now(), attempt = ${maxAttempts - 1}`;
    expect((await resume(run.id, maxAttempts - 1)).outcome).toBe('started');
  });

  it('of a run nobody knows is refused with a hint', async () => {
    await expect(resume(randomUUID(), 1)).rejects.toMatchObject({
      code: 'NS404',
      hint: expect.stringContaining('start a new run'),
    });
  });

  it('takes up the work where the ledger says, counting every row once', async () => {
    await createItems();
    let batches = 0;
    const first = await runPurge(
      db,
      {},
      {
        ...oneByOne,
        deadline: { remainingMs: () => (batches < 2 ? 60_000 : 0) },
        beforeBatch: () => batches++,
      },
    );
    expect(first.run.status).toBe('continued');
    expect(stepOf(first, items)).toMatchObject({ rowsPurged: 2, rowsLeft: 4 });

    const second = await runPurge(db, {}, { resume: { runId: first.run.id, attempt: 1 } });
    expect(second.run).toMatchObject({ id: first.run.id, attempt: 2, status: 'succeeded' });
    expect(stepOf(second, items)).toMatchObject({ dueRows: 6, rowsPurged: 6, rowsLeft: 0 });
    expect(await deletedIds(db.sql)).toEqual(range(1, 6));

    const again = await runPurge(db, {}, { resume: { runId: first.run.id, attempt: 1 } });
    expect(again).toMatchObject({ outcome: 'duplicate', run: { status: 'succeeded' } });
  });

  it('leaves a policy declared since to the next run, without complaint', async () => {
    await createItems();
    let batches = 0;
    const first = await runPurge(
      db,
      {},
      {
        ...oneByOne,
        deadline: { remainingMs: () => (batches < 2 ? 60_000 : 0) },
        beforeBatch: () => batches++,
      },
    );
    await db.sql.unsafe(`
      create table app.orders (id integer primary key, deleted_at timestamptz);
      create index on app.orders (deleted_at);
      insert into app.orders values (1, now() - interval '40 days');
      select nightshift.add_retention_policy('app.orders', '30 days', max_fraction => 1);
    `);
    const second = await runPurge(db, {}, { resume: { runId: first.run.id, attempt: 1 } });
    expect(await idsOf(db.sql, 'app.orders')).toEqual([1]);
    expect(second.run.status).toBe('succeeded');
    expect(second.report.steps.map((step) => step.error)).toEqual([undefined]);

    await runPurge(db);
    expect(await idsOf(db.sql, 'app.orders')).toEqual([]);
  });
});

describe('a pause', () => {
  it('skips a run that would begin, says why, and leaves it in the ledger', async () => {
    await createItems();
    await rpc.call('pause', { reason: 'migration' }, z.unknown());
    const { outcome, run } = await runPurge(db);
    expect({ outcome, run }).toMatchObject({
      outcome: 'skipped',
      run: {
        status: 'skipped',
        report: { reason: 'paused', message: 'Nightshift is paused: migration.' },
      },
    });
    await rpc.call('unpause', {}, z.unknown());
    expect((await runPurge(db)).run.status).toBe('succeeded');
  });

  it('stops a run under way before its next batch', async () => {
    await createItems();
    const result = await runPurge(
      db,
      {},
      { ...oneByOne, beforeBatch: (nth) => nth === 3 && rpc.call('pause', {}, z.unknown()) },
    );
    expect(await deletedIds(db.sql)).toEqual([1, 2]);
    expect(result.run).toMatchObject({
      status: 'interrupted',
      error: { code: 'NS410', hint: expect.stringContaining('unpause') },
    });
    expect(stepOf(result, items)).toMatchObject({ rowsPurged: 2, status: 'partial' });
  });

  it('refuses a batch, and nothing changes', async () => {
    await createItems();
    const { run } = await begin();
    await plan(run);
    await rpc.call('pause', {}, z.unknown());
    const before = await ledger();
    await expect(batch(run)).rejects.toMatchObject({ code: 'NS410' });
    expect(await ledger()).toBe(before);
    expect(await deletedIds(db.sql)).toEqual([]);
  });
});

describe('the trimming of the ledger', () => {
  it('drops finished runs after 90 days when the next run begins, never an unfinished one', async () => {
    const aged = async (job: string, status: string, age: string) => {
      const { run } = await begin({ job });
      if (status !== 'running') await finish(run, status);
      await db.sql`
        update nightshift.runs
        set started_at = now() - ${age}::interval, finished_at = finished_at - ${age}::interval
        where id = ${run.id}`;
      return run.id;
    };
    const gone = [
      await aged('a', 'succeeded', '91 days'),
      await aged('b', 'failed', '91 days'),
      await aged('c', 'continued', '91 days'),
      await aged('e', 'partial', '90 days 1 minute'),
    ];
    const kept = [
      await aged('f', 'succeeded', '89 days'),
      await aged('g', 'running', '400 days'),
      await aged('h', 'succeeded', '0 days'),
    ];
    await begin();
    const rows = await db.sql`select id from nightshift.runs where id = any(${[...gone, ...kept]})`;
    expect(rows.map(({ id }) => id).toSorted()).toEqual(kept.toSorted());
  });

  it('keeps a run whose last sign of life is as old, until it has been told of', async () => {
    const { run } = await begin({ as_of: '2021-01-01T00:00:00Z' });
    expect(await begin()).toMatchObject({ lost: [run.id] });
    const told = await rpc.call('get_run', { run_id: run.id }, runDocument);
    expect(told.finishedAt).toBe('2021-01-01T00:00:00+00:00');
  });

  it('follows the retention in the settings and counts what it drops', async () => {
    const { run } = await begin();
    await finish(run, 'succeeded');
    await db.sql`update nightshift.settings set ledger_retention = '7 days'`;
    await db.sql`update nightshift.runs set finished_at = now() - interval '8 days' where id = ${run.id}`;
    const [trimmed] = await db.sql`select nightshift.trim_runs()::integer as n`;
    await db.sql`update nightshift.settings set ledger_retention = default`;
    expect(trimmed?.n).toBeGreaterThan(0);
    expect(await db.sql`select id from nightshift.runs where id = ${run.id}`).toEqual([]);
  });

  it.each([
    [
      'runs',
      `(job, trigger, request_id, status, started_at, finished_at)
       select 'health-check', 'schedule', gen_random_uuid(), 'succeeded', at, at`,
    ],
    [
      'view_refreshes',
      `(view, view_name, status, reason, detail, started_at, duration_ms)
       select 'pg_class', 'a view', 'refreshed', '', '', at, 1`,
    ],
  ])('reads %s once or twice, also where Postgres takes them for none', async (table, columns) => {
    const rows = 500;
    await db.sql.begin(async (sql) => {
      await sql.unsafe(`
        delete from nightshift.${table};
        insert into nightshift.${table} ${columns} from (select now() - interval '91 days') a(at), generate_series(1, ${rows});
        update pg_class set reltuples = 0, relpages = pg_relation_size(oid) / 8192 where oid = 'nightshift.${table}'::regclass`);
      const read = async () => {
        const [row] = await sql<[{ n: number }]>`
          select (seq_tup_read + coalesce(idx_tup_fetch, 0))::integer as n
          from pg_stat_xact_user_tables where relid = ${`nightshift.${table}`}::regclass`;
        return row.n;
      };
      const before = await read();
      const [trimmed] = await sql.unsafe(`select nightshift.trim_${table}()::integer as n`);
      expect(trimmed?.n).toBe(rows);
      expect((await read()) - before).toBeLessThan(5 * rows);
    });
  });
});

describe('finish_run', () => {
  it('repeated changes nothing and answers the same', async () => {
    const { run } = await begin();
    const first = await finish(run, 'partial', { report: { rowsPurged: 7 } });
    const before = await ledger();
    expect(await finish(run, 'partial', { report: { rowsPurged: 8 } })).toEqual(first);
    expect(await ledger()).toBe(before);
    expect(first).toMatchObject({ status: 'partial', report: { rowsPurged: 7 } });
  });

  it('refuses to change an end into another', async () => {
    const { run } = await begin();
    await finish(run, 'failed');
    await expect(finish(run, 'succeeded')).rejects.toMatchObject({ code: 'NS409' });
  });

  it.each(['running', 'lost', 'skipped', 'done', '', null])(
    'refuses %j as an end',
    async (status) => {
      const { run } = await begin();
      const before = await ledger();
      await expect(finish(run, status as string)).rejects.toMatchObject({
        code: 'NS422',
        hint: 'Use continued, interrupted, succeeded, partial or failed.',
      });
      expect(await ledger()).toBe(before);
    },
  );
});
