import { describe, expect, it } from 'vitest';
import { cancelledByHand, NightshiftError } from '../../functions/_shared/errors.ts';
import {
  countMetrics,
  stepOf,
  stepOfVacuumed,
  type Trouble,
} from '../../functions/table-vacuum/report.ts';
import {
  clearTimeoutMs,
  inTurn,
  reindexFits,
  runStatus,
  takesTooLong,
} from '../../functions/table-vacuum/rules.ts';
import type {
  TableFacts,
  VacuumProgress,
  VacuumStep,
} from '../../functions/table-vacuum/schema.ts';

const facts = (table: string): TableFacts => ({
  table,
  partitioned: false,
  reason: 'dead_rows',
  detail: '2,000 dead and 2,000 live rows',
  deadRows: 2_000,
  liveRows: 2_000,
  freezeAge: 10,
  sizeBytes: 8_192,
  statement: `vacuum ${table};`,
  schedule: 'select cron.schedule(...);',
  mayVacuum: true,
  advice: null,
});
const vacuumed = {
  outcome: 'vacuumed' as const,
  reason: 'dead_rows' as const,
  detail: '',
  vacuumedMs: 5,
  deadRowsBefore: 2_000,
  deadRowsAfter: 0,
  freezeAgeBefore: 10,
  freezeAgeAfter: 0,
  heldBy: null,
};
const unfinished = { outcome: 'unfinished' as const, autovacuum: false };
const quiet: Trouble = { error: undefined, warnings: [], gaveWayTo: undefined };

describe('what became of a vacuum', () => {
  const statusOf = (trouble: Partial<Trouble>, found = unfinished) => {
    const { status, reason } = stepOf(facts('app.items'), found, { ...quiet, ...trouble });
    return `${status}: ${reason}`;
  };

  it.each([
    ['a warning of a lock', { warnings: ['55P03'] }, 'blocked: locked'],
    ['a warning of a table that is gone', { warnings: ['42P01'] }, 'skipped: gone'],
    ['any other warning', { warnings: ['01000'] }, 'blocked: denied'],
    ['nothing at all, though nothing was vacuumed', {}, 'blocked: denied'],
    ['its time limit', { error: new NightshiftError('57014', '') }, 'waiting: dead_rows'],
    [
      'someone who cancelled it',
      { error: new NightshiftError('57014', '', { detail: cancelledByHand }) },
      'failed: dead_rows',
    ],
    [
      'a connection that cannot be used',
      { error: new NightshiftError('NS502', '') },
      'blocked: no_connection',
    ],
    ['any other error', { error: new NightshiftError('XX001', '') }, 'failed: dead_rows'],
    ['a run that was stopped', { stopped: 'with Ctrl-C' }, 'waiting: dead_rows'],
    [
      'someone who waited for it',
      { gaveWayTo: { pid: 1, application: null, role: 'postgres' } },
      'blocked: gave_way',
    ],
  ])('is no success after %s', (_, trouble, expected) => {
    expect(statusOf(trouble)).toBe(expected);
  });

  it('is what the statistics say, whatever error came afterwards', () => {
    const error = new NightshiftError('57014', '');
    expect(stepOf(facts('app.items'), vacuumed, { ...quiet, error }).status).toBe('vacuumed');
  });

  it('is no success when it was not analyzed', () => {
    const step = stepOfVacuumed('app.items', { ...vacuumed, outcome: 'not_analyzed' });
    expect(step).toMatchObject({ status: 'blocked', reason: 'locked' });
  });
});

describe('the order of tables', () => {
  const progress: VacuumProgress = {
    'app.done': vacuumed,
    'app.long': { timeouts: 1 },
    'app.longest': { timeouts: 2 },
  };

  it('leaves out what is done, and puts last what has used up the time of an attempt', () => {
    const tables = ['app.longest', 'app.long', 'app.done', 'app.next'].map(facts);
    expect(inTurn(tables, progress).map(({ table }) => table)).toEqual([
      'app.next',
      'app.long',
      'app.longest',
    ]);
    expect(tables.map(({ table }) => takesTooLong(progress, table))).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});

describe('the status of a run', () => {
  const of = (...statuses: VacuumStep['status'][]) =>
    statuses.map((status) => ({ ...stepOfVacuumed('app.items', vacuumed), status }));
  const first = { progressed: false, attempt: 1, stopped: false };

  it.each([
    [[], first, 'succeeded'],
    [['vacuumed', 'skipped'], first, 'succeeded'],
    [['vacuumed', 'blocked'], first, 'partial'],
    [['blocked', 'failed'], first, 'failed'],
    [['waiting'], first, 'continued'],
    [['waiting'], { ...first, attempt: 2 }, 'failed'],
    [['vacuumed', 'waiting'], { ...first, attempt: 2, progressed: true }, 'continued'],
  ] as const)('with %j is told by %j', (statuses, attempt, expected) => {
    expect(runStatus(of(...statuses), attempt)).toBe(expected);
  });
});

describe('the metrics', () => {
  it('count what this attempt did, and what is left once', () => {
    const written: [string, number][] = [];
    const metrics = {
      add: (name: string, value: number) => void written.push([name, value]),
      addFor: () => {},
      describe: () => {},
      flush: () => {},
    };
    const steps = [
      stepOfVacuumed('app.earlier', vacuumed),
      stepOfVacuumed('app.now', { ...vacuumed, deadRowsAfter: 500 }),
      { ...stepOfVacuumed('app.left', vacuumed), status: 'blocked' as const, deadRowsAfter: 2_000 },
    ];
    const earlier = new Set(['app.earlier']);
    countMetrics(metrics, steps, { status: 'partial', earlier });
    expect(Object.fromEntries(written)).toEqual({
      TablesVacuumed: 1,
      DeadRowsRemoved: 1_500,
      TablesNotVacuumed: 1,
      VacuumMs: 5,
    });
    written.length = 0;
    countMetrics(metrics, steps, { status: 'continued', earlier });
    expect(Object.fromEntries(written)).not.toHaveProperty('TablesNotVacuumed');
  });
});

describe('an index', () => {
  const index = { sizeBytes: 100 * 1024 ** 2, tableBytes: 450 * 1024 ** 2 };

  it('is rebuilt only when that is done in time: it and twice its table at 10 MB a second, and 15 s to end', () => {
    expect(reindexFits(index, 116_000)).toBe(true);
    expect(reindexFits(index, 115_000)).toBe(false);
  });

  it('that broke off has what is left cleared away, also when the run was stopped', () => {
    expect(clearTimeoutMs(20_000, false)).toBe(17_000);
    expect(clearTimeoutMs(1_000, false)).toBe(0);
    expect(clearTimeoutMs(0, true)).toBe(10_000);
  });
});
