import { NightshiftError, nothingDone, notLocked, timedOut } from '../_shared/errors.ts';
import { type Fix, fixesOfError, nextRunGoesOn } from '../_shared/fix.ts';
import type { OutcomeStatus } from '../_shared/job.ts';
import type { Metrics } from '../_shared/metrics.ts';
import { isOutOfTime, isUnusable, turn } from './rules.ts';
import type {
  FinishVacuumAnswer,
  Session,
  StepReason,
  TableFacts,
  Vacuumed,
  VacuumReport,
  VacuumStep,
} from './schema.ts';

const nextRunTries = 'The next run tries again.';
export const timeHint =
  'Give it the time it needs: a Lambda has at most 15 minutes, the command line and Supabase Cron have no limit.';

function baseOf({ table, reason, detail, deadRows, freezeAge, advice }: TableFacts) {
  return {
    table,
    reason,
    detail,
    deadRowsBefore: deadRows,
    freezeAgeBefore: freezeAge,
    fixes: [] as Fix[],
    ...(advice === null ? {} : { advice }),
  };
}

export function due(facts: TableFacts): VacuumStep {
  const { mayVacuum, statement } = facts;
  return mayVacuum ? { ...baseOf(facts), status: 'due', statement } : denied(facts, undefined);
}

function blocked(facts: TableFacts, reason: StepReason, detail: string, fix: string): VacuumStep {
  const fixes = [{ subject: facts.table, fix }];
  return { ...baseOf(facts), status: 'blocked', reason, detail, fixes };
}

export function denied(facts: TableFacts, fix: string | undefined): VacuumStep {
  return blocked(
    facts,
    'denied',
    'the owner of the schema nightshift has no right to vacuum it',
    fix ?? `As its owner: ${facts.statement}`,
  );
}

/** Nobody can vacuum over the Data API, where every call is a transaction. */
export function unconnected(facts: TableFacts, error: NightshiftError | undefined): VacuumStep {
  const hint = error?.hint ?? 'Set NIGHTSHIFT_DATABASE_URL (the session pooler)';
  return {
    ...blocked(
      facts,
      'no_connection',
      error?.message ?? 'a vacuum needs a direct connection, and there is none',
      `${hint.replace(/\.$/, '')}; or let Supabase Cron do it: ${facts.schedule}`,
    ),
    statement: facts.statement,
  };
}

export function gone(facts: TableFacts): VacuumStep {
  return {
    ...baseOf(facts),
    status: 'skipped',
    reason: 'gone',
    detail: 'it was dropped meanwhile',
  };
}

export function notDue(facts: TableFacts): VacuumStep {
  return {
    ...baseOf(facts),
    status: 'skipped',
    reason: 'not_due',
    detail: 'it needs no vacuum any more: autovacuum came first',
  };
}

export function waiting(facts: TableFacts, why = 'there was no time for it'): VacuumStep {
  const fixes = [{ subject: facts.table, fix: `${nextRunGoesOn} ${timeHint}` }];
  return { ...baseOf(facts), status: 'waiting', detail: why, fixes };
}

export function failed(facts: TableFacts, error: NightshiftError): VacuumStep {
  const document = error.describe();
  return {
    ...baseOf(facts),
    status: 'failed',
    error: document,
    fixes: fixesOfError(facts.table, document),
  };
}

export function tooLong(facts: TableFacts): VacuumStep {
  return failed(
    facts,
    new NightshiftError(timedOut, `${facts.table}: there was not enough time for it, twice`, {
      hint: timeHint,
    }),
  );
}

/** What was done in this attempt or an earlier one. */
export function stepOfVacuumed(
  table: string,
  {
    outcome,
    reason,
    detail,
    vacuumedMs,
    deadRowsBefore,
    deadRowsAfter,
    freezeAgeBefore,
    freezeAgeAfter,
    heldBy,
  }: Vacuumed,
): VacuumStep {
  const figures = {
    durationMs: vacuumedMs,
    deadRowsBefore,
    deadRowsAfter,
    freezeAgeBefore,
    freezeAgeAfter,
  };
  if (outcome === 'held' && heldBy) {
    return {
      table,
      status: 'blocked',
      reason: 'held',
      detail: `${deadRowsAfter} dead rows stay, because ${heldBy.holder} may still see them`,
      heldBy,
      fixes: [{ subject: table, fix: heldBy.fix }],
      ...figures,
    };
  }
  if (outcome === 'not_analyzed') {
    return {
      table,
      status: 'blocked',
      reason: 'locked',
      detail: 'it was vacuumed, but not analyzed: someone else had a lock by then',
      fixes: [{ subject: table, fix: nextRunTries }],
      ...figures,
    };
  }
  return { table, status: 'vacuumed', reason, detail, fixes: [], ...figures };
}

/** What kept a vacuum from its work: its error, its warnings, and whom it gave way to. */
export interface Trouble {
  error: NightshiftError | undefined;
  warnings: readonly string[];
  gaveWayTo: Session | undefined;
  stopped?: string | undefined;
}

/** SQLSTATE undefined_table: what VACUUM warns with of a table that is gone when its turn comes. */
const noTable = '42P01';

/** Postgres says of most of what keeps a vacuum from its work no more than a warning, so the statistics come first. */
export function stepOf(
  facts: TableFacts,
  found: FinishVacuumAnswer,
  { error, warnings, gaveWayTo, stopped }: Trouble,
): VacuumStep {
  if (found.outcome === 'gone') return gone(facts);
  if (found.outcome !== 'unfinished')
    return { ...baseOf(facts), ...stepOfVacuumed(facts.table, found) };
  if (gaveWayTo) {
    const { pid, application, role } = gaveWayTo;
    return blocked(
      facts,
      'gave_way',
      `it gave way to pid ${pid} (${application ?? 'no application name'} as ${role}), who waited for a lock of the table`,
      nextRunTries,
    );
  }
  if (stopped !== undefined) return waiting(facts, stopped);
  if (isOutOfTime(error)) return waiting(facts);
  if (error && isUnusable(error)) return unconnected(facts, error);
  if (error?.code === notLocked && error.message.includes(turn)) {
    return blocked(facts, 'locked', error.message, error.hint ?? nextRunTries);
  }
  if (error?.code === notLocked || (!error && warnings.includes(notLocked))) {
    const detail = found.autovacuum
      ? 'autovacuum is at it'
      : 'someone else has a lock of it, and a vacuum waits for none';
    return blocked(facts, 'locked', detail, nextRunTries);
  }
  if (error) return failed(facts, error);
  return warnings.includes(noTable) ? gone(facts) : denied(facts, undefined);
}

export function reportOf(
  steps: readonly VacuumStep[],
  { dryRun, heldBy, bloat, indexes }: Pick<VacuumReport, 'dryRun' | 'heldBy' | 'bloat' | 'indexes'>,
): VacuumReport {
  return {
    dryRun,
    tablesVacuumed: steps.filter(({ status }) => status === 'vacuumed').length,
    deadRowsRemoved: removedBy(steps),
    heldBy: steps.find((step) => step.heldBy)?.heldBy ?? heldBy,
    bloat,
    steps: [...steps],
    indexes,
  };
}

function removedBy(steps: readonly VacuumStep[]): number {
  return steps.reduce(
    (sum, { deadRowsBefore, deadRowsAfter = deadRowsBefore }) =>
      sum + Math.max(deadRowsBefore - deadRowsAfter, 0),
    0,
  );
}

/** Why the run failed as a whole. */
export function nothingVacuumed({
  steps,
  indexes,
}: Pick<VacuumReport, 'steps' | 'indexes'>): NightshiftError {
  const tables = steps.map(({ table, detail, error }) => ({ subject: table, why: detail, error }));
  const rebuilds = indexes.map(({ index, detail, error }) => ({
    subject: index,
    why: detail,
    error,
  }));
  const what = tables.length > 0 ? 'No table could be vacuumed' : 'No index could be rebuilt';
  const error = nothingDone(what, [...tables, ...rebuilds]);
  const fix = [...steps, ...indexes].find(({ fixes }) => fixes.length > 0)?.fixes[0]?.fix;
  if (fix === undefined) return error;
  return new NightshiftError(error.code, error.message, { detail: error.detail, hint: fix });
}

/** The metrics count what this attempt did; the report has the totals of the run. */
export function countMetrics(
  metrics: Metrics,
  steps: readonly VacuumStep[],
  { status, earlier }: { status: OutcomeStatus; earlier: ReadonlySet<string> },
): void {
  const now = steps.filter(({ table }) => !earlier.has(table));
  const vacuumed = now.filter((step) => step.status === 'vacuumed');
  metrics.add('TablesVacuumed', vacuumed.length);
  metrics.add('DeadRowsRemoved', removedBy(now));
  // Each attempt leaves tables to the next, so only the last one counts them.
  const left = steps.filter((step) => ['blocked', 'waiting', 'failed'].includes(step.status));
  if (status !== 'continued') metrics.add('TablesNotVacuumed', left.length);
  for (const { durationMs } of vacuumed) metrics.add('VacuumMs', durationMs ?? 0);
  metrics.describe('tables', vacuumed.map(({ table }) => table).join(', '));
}
