import { NightshiftError } from '../_shared/errors.ts';
import type { Metrics } from '../_shared/metrics.ts';
import {
  countLevels,
  criticalFindings,
  gaugesOf,
  worstFirst,
  worstOf,
  worstValue,
} from './rules.ts';
import type { HealthCheck, HealthDocument, HealthInput, HealthReport } from './schema.ts';

/** The report of a run keeps this many per check; `nightshift health` shows more. */
const maxFindings = 5;

/** Keeps what is not ok, without the texts that a check repeats every time. */
export function reportOf(
  { checks, notRun }: HealthDocument,
  { dryRun, quick }: Pick<HealthInput, 'dryRun' | 'quick'>,
): HealthReport {
  const found = checks.map(({ level }) => level);
  return {
    dryRun,
    quick,
    level: worstOf(found),
    counts: countLevels(found),
    checks: worstFirst(checks)
      .filter(({ level }) => level !== 'ok')
      .map(({ name, title, level, why, unit, quick, value, findings, findingsTotal }) => ({
        ...{ name, title, level, why, unit, quick, value, findingsTotal },
        findings: findings.slice(0, maxFindings),
      })),
    notRun,
  };
}

/** A run in which every check is unknown has not done its work. */
export function nothingChecked(checks: readonly HealthCheck[]): NightshiftError | undefined {
  if (checks.length === 0 || checks.some(({ level }) => level !== 'unknown')) return undefined;
  const [first] = checks[0]?.findings ?? [];
  return new NightshiftError('NS502', 'No check could run', {
    detail: first?.detail ?? undefined,
    hint: first?.fix ?? 'The report says why, one by one.',
  });
}

export function countMetrics(metrics: Metrics, document: HealthDocument): void {
  const { checks, jobs, databaseBytes } = document;
  const gauges = gaugesOf(document);
  metrics.add('ChecksWarning', gauges.warning);
  metrics.add('ChecksCritical', gauges.critical);
  metrics.add('ChecksUnknown', gauges.unknown);
  if (databaseBytes !== undefined) metrics.add('DatabaseBytes', databaseBytes);
  // No figure is better than a wrong one, so a check that could not measure has none.
  for (const [name, check] of [
    ['SoftDeletesPerHour', 'soft_deletes'],
    ['FailedRestores', 'failed_restores'],
  ] as const) {
    const value = worstValue(checks, check);
    if (value !== undefined) metrics.add(name, value);
  }
  const slow = criticalFindings(checks, 'slow_statements');
  if (slow !== undefined) metrics.add('SlowStatements', slow);
  for (const state of jobs ?? []) {
    const { job, secondsSinceLastSuccess } = state;
    // A job that has no policy and never ran has no metrics.
    if (secondsSinceLastSuccess === null && !state.lastRun) continue;
    if (secondsSinceLastSuccess !== null) {
      metrics.addFor(job, 'SecondsSinceLastSuccess', secondsSinceLastSuccess);
    }
    metrics.addFor(job, 'FailedRunsInRow', state.failedInRow);
    metrics.addFor(job, 'PartialRunsInRow', state.partialInRow);
    metrics.addFor(job, 'LostRunsInRow', state.lostInRow);
  }
}
