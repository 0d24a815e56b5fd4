import { timeMs } from '../_shared/clock.ts';
import { NightshiftError, nothingDone, notLocked } from '../_shared/errors.ts';
import { type Fix, fixesOfError, nextRunGoesOn } from '../_shared/fix.ts';
import type { Metrics } from '../_shared/metrics.ts';
import type { Measurement, TableResults } from './results.ts';
import { countOf } from './rules.ts';
import {
  type DefaultPartition,
  type LockHolder,
  noProgress,
  type PartitionInput,
  type PartitionPlan,
  type PartitionReport,
  type PartitionStep,
  type TableProgress,
  type TableState,
} from './schema.ts';

const brake = 'NS428';

/** Twice what the alarm requires. Policies that never reach this far are left to the health check. */
const minRoomDays = 14;
/** What the figure says when no table needs a partition sooner, or there is none: the last one holds, and an alarm would never end. */
const mostRoomDays = 365;

/** Reports one table: its state at the end, what the run did, and what kept it from doing the rest. */
export function stepOf(
  state: TableState,
  results: TableResults,
  progress: TableProgress,
): PartitionStep {
  const { created, retired, dropped } = progress;
  const measured = lastMeasurement(results);
  const counted = measured?.outcome === 'counted' ? measured.defaultPartition : null;
  const blocked = (results.retired ?? results.preview)?.blocked ?? [];
  const kept = (results.dropped ?? []).flatMap((drop) =>
    drop.outcome === 'kept' ? { partition: drop.partition, reason: drop.reason } : [],
  );
  const error = errorOf(state, results, measured);
  const step = {
    table: state.table,
    created,
    retired,
    blocked,
    dropped,
    kept,
    horizon: state.horizon,
    horizonDays: state.horizonDays,
    missing: state.missing.length,
    defaultPartition: withoutWanted(counted),
    ...(error ? { error: error.describe() } : {}),
    warnings: state.warnings,
    notices: [
      ...(results.preview?.error && results.preview.error !== error
        ? [
            `Whether something needs its due partitions is not known: ${results.preview.error.message}`,
          ]
        : []),
      ...created.flatMap(({ partition, warnings }) =>
        warnings.map((text) => `${partition}: ${text}`),
      ),
      ...noticesOf(counted),
    ],
  };
  const outOfTime = ranOutOfTime(results, measured);
  const fixes = fixesOf(step, outOfTime);
  if (outOfTime) return { ...step, fixes, status: 'waiting' };
  if (error) return { ...step, fixes, status: countOf(progress) > 0 ? 'partial' : 'failed' };
  const isPartial = blocked.length > 0 || kept.length > 0;
  return { ...step, fixes, status: isPartial ? 'partial' : 'succeeded' };
}

/** What to do about what is left undone. */
function fixesOf(
  { table, error, blocked, kept }: Omit<PartitionStep, 'fixes' | 'status'>,
  outOfTime: boolean,
): Fix[] {
  const name = `'${table.replaceAll("'", "''")}'`;
  return [
    ...(outOfTime ? [{ subject: table, fix: nextRunGoesOn }] : []),
    ...(error ? fixesOfError(table, error) : []),
    ...blocked.map(({ partition }) => ({
      subject: partition,
      fix: `Do away with what needs it, and the next run retires it; or keep partitions longer: select nightshift.alter_partition_policy(${name}, retention => '...');`,
    })),
    ...kept.map(({ partition }) => ({
      subject: partition,
      fix: `Mend what its reason says, and the next run drops it; or, if nobody needs it: drop table ${partition};`,
    })),
  ];
}

/** Reports one table of a dry run: what a run would do. */
export function stepOfPlan(
  state: TableState,
  results: TableResults,
  { drops }: Pick<PartitionPlan, 'drops'>,
  { force }: Pick<PartitionInput, 'force'>,
): PartitionStep {
  const { measured } = results;
  const counted = measured?.outcome === 'counted' ? measured.defaultPartition : null;
  const wanted = counted?.wanted ?? state.missing.map((period) => ({ ...period, rows: 0 }));
  const { dueBefore } = state;
  const isPast = (to: string | null) =>
    dueBefore !== null && to !== null && timeMs(to) <= timeMs(dueBefore);
  const refusal = force ? null : state.refusal;
  const step = stepOf(state, results, noProgress);
  const stays = new Set(step.blocked.map(({ partition }) => partition));
  return {
    ...step,
    created: wanted,
    retired: refusal
      ? []
      : [
          ...state.due
            .filter((partition) => !stays.has(partition))
            .map((partition) => ({ partition })),
          ...(state.dueAfterwards ? [{ partition: state.dueAfterwards }] : []),
          ...wanted
            .filter(({ to }) => isPast(to))
            .map(({ from }) => ({ partition: `one that is made for ${from}` })),
        ],
    dropped: drops
      .filter(({ table, keptBecause }) => table === state.table && keptBecause === null)
      .map(({ partition, sizeBytes }) => ({ partition, sizeBytes })),
    notices: [
      ...step.notices,
      ...(refusal ? [`A real run would retire none without force: ${refusal}.`] : []),
    ],
  };
}

export function reportOf(
  steps: PartitionStep[],
  { dryRun, disabled }: { dryRun: boolean; disabled: string[] },
): PartitionReport {
  const sum = (pick: (step: PartitionStep) => number) =>
    steps.reduce((total, step) => total + pick(step), 0);
  return {
    dryRun,
    partitionsCreated: sum(({ created }) => created.length),
    partitionsRetired: sum(({ retired }) => retired.length),
    partitionsDropped: sum(({ dropped }) => dropped.length),
    rowsMoved: sum(({ created }) => created.reduce((total, { rows }) => total + rows, 0)),
    steps,
    disabled,
  };
}

/** Why the run failed as a whole. */
export function nothingMaintained(steps: readonly PartitionStep[]): NightshiftError {
  const errors = steps.flatMap(({ error }) => error ?? []);
  const [first] = errors;
  const isBrake = errors.length === steps.length && errors.every(({ code }) => code === brake);
  if (first && isBrake) return new NightshiftError(brake, first.message, first);
  const subjects = steps.map(({ table, error }) => ({
    subject: table,
    why: 'there was no time for it',
    error,
  }));
  return nothingDone('No table could be maintained', subjects);
}

/** The metrics count what this attempt did; the report has the totals of the run. */
export function countMetrics(
  metrics: Metrics,
  { steps }: PartitionReport,
  {
    tables,
    earlier,
    only,
  }: {
    tables: readonly TableState[];
    /** What earlier attempts of the run did. */
    earlier: Record<string, TableProgress>;
    only: PartitionInput['only'];
  },
): void {
  const added = (kind: keyof TableProgress) =>
    steps.reduce(
      (sum, step) => sum + step[kind].length - (earlier[step.table] ?? noProgress)[kind].length,
      0,
    );
  metrics.add('PartitionsCreated', added('created'));
  metrics.add('PartitionsRetired', added('retired'));
  metrics.add('PartitionsDropped', added('dropped'));
  metrics.describe('tables', steps.map(({ table }) => table).join(', '));
  // A run for a few tables says nothing about the rest.
  if (only) return;
  metrics.add(
    'PartitionsOversized',
    tables.reduce((sum, { oversized }) => sum + oversized, 0),
  );
  // A table that could not be counted makes the sum unknown, and no figure is better than one that is too low.
  const counted = tables.every(
    ({ table, defaultPartition }) =>
      defaultPartition === null || steps.find((step) => step.table === table)?.defaultPartition,
  );
  if (counted) {
    metrics.add(
      'DefaultPartitionRows',
      steps.reduce((sum, step) => sum + (step.defaultPartition?.rows ?? 0), 0),
    );
  }
  const horizons = tables
    .filter(({ roomDays = minRoomDays }) => roomDays >= minRoomDays)
    .flatMap(({ horizonDays }) => horizonDays ?? []);
  metrics.add('PartitionHorizonDays', Math.min(...horizons, mostRoomDays));
}

/**
 * Prefers the count after the work. Without time for it the number of rows is unknown, but a table that was counted
 * before its work is not out of time.
 */
function lastMeasurement({ measured, measuredAgain }: TableResults): Measurement | undefined {
  if (measuredAgain?.outcome !== 'outOfTime') return measuredAgain ?? measured;
  if (measured?.outcome === 'uncounted') return measured;
  return measured?.outcome === 'counted' && measured.defaultPartition ? undefined : measuredAgain;
}

function errorOf(
  { problem, fix }: TableState,
  { finished, created, preview, retired, dropped = [] }: TableResults,
  measured: Measurement | undefined,
): NightshiftError | undefined {
  if (problem) return new NightshiftError('NS422', problem, { hint: fix });
  const failed = dropped.find((drop) => drop.outcome === 'failed');
  const error = created?.error ?? finished?.error ?? retired?.error ?? failed?.error;
  if (error) return error;
  // What does not fit in a dry run would not fit in a run.
  if (preview?.error?.code === 'NS422') return preview.error;
  const phases = [finished, created, retired].filter((phase) => phase?.busy || phase?.holder);
  const drops = dropped.filter((drop) => drop.outcome === 'busy');
  if (phases.length + drops.length > 0) {
    return stillLocked([...phases, ...drops].find((result) => result?.holder)?.holder);
  }
  return measured?.outcome === 'uncounted' ? measured.error : undefined;
}

function stillLocked(holder: LockHolder | null | undefined): NightshiftError {
  const message = 'Its locks were not to be had in time';
  if (!holder) {
    return new NightshiftError(notLocked, message, {
      hint: 'A long transaction or a migration holds it. The next run tries again.',
    });
  }
  const { relation, pid, application, role, since } = holder;
  const who = pid === null ? 'a prepared transaction' : `process ${pid}`;
  const about = [application, role && `role ${role}`, `since ${since}`].filter(Boolean).join(', ');
  const end =
    pid === null ? 'commit or roll it back' : `end it: select pg_terminate_backend(${pid})`;
  return new NightshiftError(notLocked, `${message}: ${who} holds ${relation} (${about})`, {
    hint: `Let it end, or ${end}; the next run tries again.`,
  });
}

function ranOutOfTime(
  { finished, created, retired, dropped = [] }: TableResults,
  measured: Measurement | undefined,
): boolean {
  return (
    [finished, created, retired].some((phase) => phase?.outOfTime) ||
    [measured, ...dropped].some((result) => result?.outcome === 'outOfTime')
  );
}

function withoutWanted(counted: DefaultPartition | null): PartitionStep['defaultPartition'] {
  if (!counted) return null;
  const { partition, rows, movableRows } = counted;
  return { partition, rows, movableRows };
}

function noticesOf(counted: DefaultPartition | null): string[] {
  const stay = (counted?.rows ?? 0) - (counted?.movableRows ?? 0);
  return counted && stay > 0
    ? [
        `Rows of ${counted.partition} that belong nowhere: ${stay}. They lie beyond the horizon (was a clock wrong?), too far back, in the time of a retired partition, or have no time. To see them: select * from ${counted.partition};`,
      ]
    : [];
}
