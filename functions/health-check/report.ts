import { timeMs } from '../_shared/clock.ts';
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

/** AWS bills a metric for each hour in which it is written, so a quick run leaves out zeros that are no news. */
const newsMs = 3_600_000;

export function countMetrics(
  metrics: Metrics,
  document: HealthDocument,
  { quick }: Pick<HealthInput, 'quick'>,
): void {
  const { at, checks, jobs, databaseBytes } = document;
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
    const { lastRun, failedInRow, partialInRow, lostInRow } = state;
    // A zero ends an alarm. It comes for an hour after each run, and once a day in case nobody looked in that hour. The last
    // run of the health check is this one, which has no end yet.
    const isNews = !quick || (lastRun && timeMs(at) - timeMs(lastRun.finishedAt ?? at) < newsMs);
    if (isNews || failedInRow > 0) metrics.addFor(job, 'FailedRunsInRow', failedInRow);
    if (isNews || partialInRow > 0) metrics.addFor(job, 'PartialRunsInRow', partialInRow);
    if (isNews || lostInRow > 0) metrics.addFor(job, 'LostRunsInRow', lostInRow);
  }
}
