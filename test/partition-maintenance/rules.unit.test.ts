import { describe, expect, it, vi } from 'vitest';
import { drawn, timeLine } from '../../cli/present/partition-maintenance.ts';
import { timeMs } from '../../functions/_shared/clock.ts';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { lockSchedule, withLockRetries } from '../../functions/partition-maintenance/locks.ts';
import {
  dropGroups,
  emptyTally,
  explain,
  fewerMoveRows,
  isFelt,
  needsPartitions,
  nextMoveRows,
  nothingMaintained,
  runStatus,
  stepOf,
  stepOfPlan,
  type Tally,
} from '../../functions/partition-maintenance/rules.ts';
import {
  type Deeds,
  noDeeds,
  partitionPlan,
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
  hasForeignKeys: false,
  oversized: 0,
  warnings: [],
  ...facts,
});

describe('which DDL goes together', () => {
  it('is that of tables whose locks nobody feels', () => {
    expect(isFelt(table('a'))).toBe(false);
    expect(isFelt(table('a', { hasForeignKeys: true }))).toBe(true);
    expect(isFelt(table('a', { defaultPartition: 'rest' }))).toBe(true);
    const measured = { partition: 'rest', rows: 5, movableRows: 5, wanted: [] };
    const full = { ...emptyTally(), defaultPartition: measured };
    expect(needsPartitions(table('a'), emptyTally())).toBe(true);
    expect(needsPartitions(table('a', { missing: [] }), emptyTally())).toBe(false);
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
  const step = ({ created = [], ...facts }: { created?: Deeds['created'] } & Partial<Tally>) =>
    stepOf(table('a'), { ...emptyTally(), ...facts }, { ...noDeeds, created });
  const made = { partition: 'p', from: null, to: null, rows: 0, warnings: [] };

  it.each([
    ['nothing to do', {}, 'succeeded'],
    ['some made', { created: [made] }, 'succeeded'],
    ['locked to the end', { busy: true }, 'failed'],
    ['locked after some were made', { busy: true, created: [made] }, 'partial'],
    ['no time', { outOfTime: true }, 'waiting'],
    ['an error', { error: new NightshiftError('NS428', 'too many') }, 'failed'],
    ['something needed', { blocked: [{ partition: 'p', reason: 'a view' }] }, 'partial'],
    ['something not dropped', { kept: [{ partition: 'p', reason: 'a view' }] }, 'partial'],
  ])('with %s', (_, facts, status) => {
    expect(step(facts).status).toBe(status);
  });

  it('tells of rows that belong nowhere', () => {
    const measured = { partition: 'rest', rows: 5, movableRows: 2, wanted: [] };
    expect(step({ defaultPartition: measured }).warnings).toEqual([
      expect.stringMatching(/^Rows of rest that belong nowhere: 3/),
    ]);
    expect(step({ defaultPartition: { ...measured, rows: 2 } }).warnings).toEqual([]);
  });

  it('is told as a brake when all that failed was braked', () => {
    const braked = step({ error: new NightshiftError('NS428', 'too many', { hint: 'force' }) });
    expect(nothingMaintained([braked, braked])).toMatchObject({ code: 'NS428', hint: 'force' });
    expect(nothingMaintained([braked, step({ busy: true })])).toMatchObject({ code: 'NS502' });
  });

  it('of a dry run is nothing to retire when the brake would hold, but by force', () => {
    const state = table('a', { due: ['p1', 'p2'], refusal: '2 of 3' });
    const plan = { tables: [state], drops: [], unfinished: [], disabled: [] };
    const tally = { ...emptyTally(), blocked: [{ partition: 'p2', reason: 'a view' }] };
    const braked = stepOfPlan(state, plan, tally, { force: false });
    expect(braked).toMatchObject({ retired: [], warnings: [expect.stringContaining('2 of 3')] });
    const forced = stepOfPlan(state, plan, tally, { force: true });
    expect(forced).toMatchObject({ retired: [{ partition: 'p1' }], warnings: [] });
    const grown = { ...state, dueAfterwards: 'p3' };
    expect(stepOfPlan(grown, plan, tally, { force: true }).retired).toHaveLength(2);
  });

  it('makes the status of the run', () => {
    const steps = (...all: Parameters<typeof step>[0][]) => all.map(step);
    const facts = { progressed: false, attempt: 1 };
    expect(runStatus([], facts)).toBe('succeeded');
    expect(runStatus(steps({}, { busy: true }), facts)).toBe('partial');
    expect(runStatus(steps({ busy: true }), facts)).toBe('failed');
    expect(runStatus(steps({ outOfTime: true }), facts)).toBe('continued');
    expect(runStatus(steps({ outOfTime: true }), { ...facts, attempt: 2 })).toBe('failed');
    expect(runStatus(steps({ outOfTime: true }), { progressed: true, attempt: 2 })).toBe(
      'continued',
    );
  });

  it('says what a timeout means, and tries fewer rows first', () => {
    const timeout = new NightshiftError('57014', 'timeout');
    const explained = explain(timeout, table("a'b", { defaultPartition: 'rest' }));
    expect(explained.message).toContain('rest is too large');
    expect(explained.hint).toContain("create_missing_partitions('a''b'");
    expect(explain(new NightshiftError('NS422', 'x'), table('a')).message).toBe('x');
    expect([50_000, 1_001, 1_000].map(fewerMoveRows)).toEqual([12_500, 250, undefined]);
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
