import { describe, expect, it, vi } from 'vitest';
import { drawn, timeLine } from '../../cli/present/partition-maintenance.ts';
import { timeMs } from '../../functions/_shared/clock.ts';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { lockSchedule, withLockRetries } from '../../functions/partition-maintenance/locks.ts';
import {
  nothingMaintained,
  stepOf,
  stepOfPlan,
} from '../../functions/partition-maintenance/report.ts';
import type {
  DropOutcome,
  Measurement,
  TableResults,
} from '../../functions/partition-maintenance/results.ts';
import {
  dropGroups,
  explain,
  fewerMoveRows,
  needsPartitions,
  nextMoveRows,
  retiresNow,
  runStatus,
  takesBlockingLocks,
} from '../../functions/partition-maintenance/rules.ts';
import {
  noProgress,
  type PartitionStep,
  partitionPlan,
  type TableProgress,
  type TableState,
} from '../../functions/partition-maintenance/schema.ts';

const table = (name: string, facts: Partial<TableState> = {}): TableState => ({
  table: name,
  every: '1 mon',
  premake: 4,
  roomDays: 120,
  retention: null,
  retire: 'detach',
  grace: '7 days',
  enabled: true,
  partitions: 12,
  horizon: '2026-06-01T00:00:00+00:00',
  horizonDays: 60,
  missing: [{ from: '2026-06-01T00:00:00+00:00', to: '2026-07-01T00:00:00+00:00' }],
  due: [],
  dueBefore: null,
  dueAfterwards: null,
  refusal: null,
  defaultPartition: null,
  excludes: false,
  hasForeignKeys: false,
  oversized: 0,
  warnings: [],
  ...facts,
});

describe('which DDL goes together', () => {
  it('is that of tables whose locks nobody feels', () => {
    expect(takesBlockingLocks(table('a'))).toBe(false);
    expect(takesBlockingLocks(table('a', { hasForeignKeys: true }))).toBe(true);
    expect(takesBlockingLocks(table('a', { defaultPartition: 'rest' }))).toBe(true);
    const measured = { partition: 'rest', rows: 5, movableRows: 5, wanted: [] };
    const full = { outcome: 'counted', defaultPartition: measured } as const;
    expect(needsPartitions(table('a'), undefined)).toBe(true);
    expect(needsPartitions(table('a', { missing: [] }), undefined)).toBe(false);
    expect(needsPartitions(table('a', { missing: [] }), full)).toBe(true);
    expect(needsPartitions(table('a', { problem: 'gone' }), full)).toBe(false);
    const drop = { table: 'a', sizeBytes: 1, keptBecause: null };
    expect(
      dropGroups([
        { ...drop, partition: 'x', hasForeignKeys: true },
        { ...drop, partition: 'y', hasForeignKeys: false },
        { ...drop, partition: 'z', hasForeignKeys: false, keptBecause: 'renamed' },
      ]),
    ).toEqual([['y'], ['x']]);
  });
});

describe('what came of a table', () => {
  const step = (results: TableResults, created: TableProgress['created'] = []) =>
    stepOf(table('a'), results, { ...noProgress, created });
  const made = { partition: 'p', from: null, to: null, rows: 0, warnings: [] };
  const ended = { busy: false, outOfTime: false };
  const busy: TableResults = { retired: { ...ended, busy: true, blocked: [] } };
  const outOfTime: TableResults = { created: { ...ended, outOfTime: true, hasGrown: false } };
  const failed = (error: NightshiftError): TableResults => ({ finished: { ...ended, error } });
  const blocked = { partition: 'p', reason: 'a view' };
  const dropped = (drop: DropOutcome): TableResults => ({
    dropped: [{ partition: 'p', table: 'a', ...drop }],
  });
  const counted = (rows: number, movableRows: number): Measurement => ({
    outcome: 'counted',
    defaultPartition: { partition: 'rest', rows, movableRows, wanted: [] },
  });
  const uncounted: Measurement = {
    outcome: 'uncounted',
    error: new NightshiftError('57014', 'too many to count'),
  };

  it.each<[string, TableResults, TableProgress['created'], PartitionStep['status']]>([
    ['nothing to do', {}, [], 'succeeded'],
    ['some made', {}, [made], 'succeeded'],
    ['locked to the end', busy, [], 'failed'],
    ['locked after some were made', busy, [made], 'partial'],
    ['a drop that was locked', dropped({ outcome: 'busy' }), [], 'failed'],
    ['no time', outOfTime, [], 'waiting'],
    ['no time to drop', dropped({ outcome: 'outOfTime' }), [], 'waiting'],
    ['an error', failed(new NightshiftError('NS428', 'too many')), [], 'failed'],
    ['something needed', { retired: { ...ended, blocked: [blocked] } }, [], 'partial'],
    ['something not dropped', dropped({ outcome: 'kept', reason: 'a view' }), [], 'partial'],
    ['rows that nobody could count', { measured: uncounted }, [], 'failed'],
  ])('with %s', (_, results, created, status) => {
    const { fixes, error, ...told } = step(results, created);
    expect(told.status).toBe(status);
    const says = fixes.length > 0 || error?.hint !== undefined;
    expect(says, 'Whether it says what to do').toBe(status !== 'succeeded');
  });

  it('is told by the error of the earliest phase, and by a lock only without an error', () => {
    const error = new NightshiftError('NS422', 'no such column');
    const created = { ...ended, hasGrown: false, error };
    const drop = dropped({ outcome: 'failed', error: new NightshiftError('42501', 'no') });
    expect(step({ ...drop, ...busy, created }).error?.code).toBe('NS422');
    expect(step({ ...drop, ...busy }).error?.code).toBe('42501');
    expect(step({ ...busy, measured: uncounted }).error?.code).toBe('55P03');
  });

  it('names a prepared transaction as what it is, since no process can be ended', () => {
    const holder = {
      relation: 'app.logs',
      pid: null,
      application: null,
      role: null,
      since: '2026-03-01',
    };
    const { error } = step({ retired: { ...ended, busy: true, blocked: [], holder } });
    expect(error?.message).toMatch(/a prepared transaction holds app.logs \(since 2026-03-01\)$/);
    expect(error?.hint).toContain('commit or roll it back');
  });

  it('has the last count of its default partition', () => {
    const rows = (measured: Measurement | undefined, measuredAgain: Measurement | undefined) => {
      const { defaultPartition, status } = step({ measured, measuredAgain });
      return [defaultPartition?.rows, status];
    };
    const late: Measurement = { outcome: 'outOfTime' };
    expect(rows(counted(5, 5), counted(0, 0))).toEqual([0, 'succeeded']);
    expect(rows(counted(5, 5), undefined)).toEqual([5, 'succeeded']);
    expect(rows(counted(5, 5), uncounted)).toEqual([undefined, 'failed']);
    expect(rows(counted(5, 5), late)).toEqual([undefined, 'succeeded']);
    expect(rows(uncounted, late)).toEqual([undefined, 'failed']);
    expect(rows(late, late)).toEqual([undefined, 'waiting']);
    expect(rows(undefined, late)).toEqual([undefined, 'waiting']);
  });

  it('is followed by retirement when something is due or may have become so', () => {
    const created = { ...ended, hasGrown: true };
    const due = table('a', { due: ['p1'] });
    expect(retiresNow(due, {})).toBe(true);
    expect(retiresNow(due, { created: { ...created, busy: true } })).toBe(false);
    expect(retiresNow(due, { finished: { ...ended, busy: true } })).toBe(false);
    expect(retiresNow(table('a'), { created })).toBe(false);
    expect(retiresNow(table('a', { retention: '1 mon' }), {})).toBe(false);
    expect(retiresNow(table('a', { retention: '1 mon' }), { created })).toBe(true);
  });

  it('tells of rows that belong nowhere', () => {
    expect(step({ measured: counted(5, 2) }).notices).toEqual([
      expect.stringMatching(/^Rows of rest that belong nowhere: 3/),
    ]);
    expect(step({ measured: counted(2, 2) }).notices).toEqual([]);
  });

  it('is told as a brake when all that failed was braked', () => {
    const braked = step(failed(new NightshiftError('NS428', 'too many', { hint: 'force' })));
    expect(nothingMaintained([braked, braked])).toMatchObject({ code: 'NS428', hint: 'force' });
    expect(nothingMaintained([braked, step(busy)])).toMatchObject({ code: 'NS502' });
  });

  it('of a dry run is nothing to retire when the brake would hold, but by force', () => {
    const state = table('a', { due: ['p1', 'p2'], refusal: '2 of 3' });
    const results = { preview: { blocked: [{ partition: 'p2', reason: 'a view' }] } };
    const braked = stepOfPlan(state, results, { drops: [] }, { force: false });
    expect(braked).toMatchObject({ retired: [], notices: [expect.stringContaining('2 of 3')] });
    const forced = stepOfPlan(state, results, { drops: [] }, { force: true });
    expect(forced).toMatchObject({ retired: [{ partition: 'p1' }], notices: [] });
    const grown = { ...state, dueAfterwards: 'p3' };
    expect(stepOfPlan(grown, results, { drops: [] }, { force: true }).retired).toHaveLength(2);
  });

  it('makes the status of the run', () => {
    const steps = (...all: TableResults[]) => all.map((results) => step(results));
    const facts = { progressed: false, attempt: 1, stopped: false };
    expect(runStatus([], facts)).toBe('succeeded');
    expect(runStatus(steps({}, busy), facts)).toBe('partial');
    expect(runStatus(steps(busy), facts)).toBe('failed');
    expect(runStatus(steps(outOfTime), facts)).toBe('continued');
    expect(runStatus(steps(outOfTime), { ...facts, attempt: 2 })).toBe('failed');
    expect(runStatus(steps(outOfTime), { ...facts, progressed: true, attempt: 2 })).toBe(
      'continued',
    );
    const stopped = { ...facts, attempt: 2, stopped: true };
    expect(runStatus(steps(outOfTime), stopped)).toBe('continued');
    expect(runStatus(steps(busy), stopped)).toBe('failed');
  });

  it('says what a timeout means, and tries fewer rows first', () => {
    const timeout = new NightshiftError('57014', 'timeout');
    const explained = explain(timeout, table("a'b", { defaultPartition: 'rest' }));
    expect(explained.message).toContain('rest is too large');
    expect(explained.hint).toContain("create_missing_partitions('a''b'");
    expect(explain(new NightshiftError('NS422', 'x'), table('a')).message).toBe('x');
    expect([50_000, 5_001, 5_000].map(fewerMoveRows)).toEqual([5_000, 5_000, undefined]);
  });

  it('moves as many rows at a time as a second of locks allows', () => {
    expect(nextMoveRows(50_000, 0)).toBe(100_000);
    expect(nextMoveRows(50_000, 800)).toBe(62_500);
    expect(nextMoveRows(50_000, 4_000)).toBe(12_500);
    expect(nextMoveRows(2_000, 60_000)).toBe(1_000);
    expect(nextMoveRows(900_000, 10)).toBe(1_000_000);
  });
});

describe('waiting for locks', () => {
  const plenty = { remainingMs: () => 60_000 };

  it('asks with more patience each time, only for what is busy, and lets others through', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    const asked: unknown[] = [];
    const retrying = withLockRetries(plenty, ['a', 'b', 'c'], async (subjects, timeoutMs) => {
      asked.push([subjects, timeoutMs]);
      // It got no further than the first two the first time.
      return new Map(subjects.slice(0, 2).map((s) => [s, s === 'b' ? 'busy' : 'done'] as const));
    });
    await vi.runAllTimersAsync();
    expect(await retrying).toEqual({ busy: ['b'], waiting: [] });
    expect(asked).toEqual([
      [['a', 'b', 'c'], 100],
      [['c'], 100],
      ...lockSchedule.slice(1).map(({ lockTimeoutMs }) => [['b'], lockTimeoutMs]),
    ]);
    vi.useRealTimers();
  });

  it('looks on for another minute where a transaction lasts, and no longer asks where it queued', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    const asked: string[][] = [];
    const retrying = withLockRetries(plenty, ['a', 'b', 'c'], async (subjects) => {
      asked.push(subjects);
      const isOver = asked.length > lockSchedule.length + 1;
      const outcomes = { a: 'busy', b: 'held', c: isOver ? 'done' : 'held' } as const;
      return new Map(subjects.map((s) => [s, outcomes[s as keyof typeof outcomes]]));
    });
    await vi.runAllTimersAsync();
    expect(await retrying).toEqual({ busy: ['a', 'b'], waiting: [] });
    const all = lockSchedule.map(() => ['a', 'b', 'c']);
    expect(asked).toEqual([...all, ['b', 'c'], ['b', 'c'], ['b'], ['b'], ['b']]);
    vi.useRealTimers();
  });

  it('stops before the deadline, with what it did not get to', async () => {
    const short = { remainingMs: () => 4_000 };
    const call = vi.fn();
    expect(await withLockRetries(short, ['a'], call)).toEqual({ busy: [], waiting: ['a'] });
    expect(call).not.toHaveBeenCalled();
  });
});

describe('the time line', () => {
  const [state] = partitionPlan.shape.tables.parse([
    { ...table('a'), due: ['p1'], missing: [{ from: '2026-05-01Z', to: '2026-06-01Z' }] },
  ]);
  const partition = (name: string, from: string | null, to: string | null) => ({
    partition: name,
    from,
    to,
    isDefault: false,
    isPending: false,
  });
  const policy = {
    ...(state as TableState),
    partitionList: [
      partition('p1', '2026-01-01Z', '2026-02-01Z'),
      partition('p2', '2026-02-01Z', '2026-03-01Z'),
      partition('p3', '2026-04-01Z', '2026-05-01Z'),
      partition('p4', '2026-06-01Z', null),
      { ...partition('p5', '2025-11-01Z', '2025-12-01Z'), isPending: true },
      { ...partition('rest', null, null), isDefault: true },
    ],
    movableRows: null,
    retired: [
      {
        ...partition('p0', '2025-12-01Z', '2026-01-01Z'),
        sizeBytes: 1,
        dropAfter: null,
        keptBecause: null,
      },
    ],
  };

  it('has a mark for each partition, gap and retired one, in the order of time', () => {
    const now = timeMs('2026-04-10Z');
    expect(drawn(timeLine(policy, now))).toEqual([
      'retired',
      'retired',
      'due',
      'held',
      'gap',
      'present',
      'missing',
      'ahead',
    ]);
  });

  it('lets the most noteworthy stand for several when there are many', () => {
    const periods = Array.from({ length: 240 }, (_, n) => ({
      kind: n === 100 ? ('missing' as const) : ('held' as const),
      from: null,
      to: null,
    }));
    const line = drawn(periods);
    expect(line).toHaveLength(60);
    expect(line.filter((kind) => kind === 'missing')).toHaveLength(1);
    expect(drawn([])).toEqual([]);
  });
});
