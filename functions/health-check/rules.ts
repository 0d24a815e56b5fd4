import {
  type HealthCheck,
  type HealthDocument,
  type HealthInput,
  type KeyQuery,
  type Level,
  levels,
} from './schema.ts';

/** A dry run keeps no figures, and a quick one has no time for them. */
export function measuresKeyQueries({ dryRun, only, quick }: HealthInput): boolean {
  return !dryRun && !quick && (only?.some((name) => name.endsWith('key_queries')) ?? true);
}

/** Key queries by name, those first that were never measured or not for the longest time. */
export function inTurn(queries: readonly Pick<KeyQuery, 'name' | 'measuredAt'>[]): string[] {
  return queries
    .toSorted((a, b) => (a.measuredAt ?? '').localeCompare(b.measuredAt ?? ''))
    .map(({ name }) => name);
}

export function worstOf(found: readonly Level[]): Level {
  return levels[Math.max(0, ...found.map((level) => levels.indexOf(level)))] ?? 'ok';
}

export function worstFirst(checks: readonly HealthCheck[]): HealthCheck[] {
  return checks.toSorted((a, b) => levels.indexOf(b.level) - levels.indexOf(a.level));
}

export function countLevels(found: readonly Level[]): Record<Level, number> {
  const counts = { ok: 0, info: 0, unknown: 0, warning: 0, critical: 0 };
  for (const level of found) counts[level] += 1;
  return counts;
}

/**
 * Counts all checks by level. A check that did not run counts as the last full run found it; without such a result it is
 * unknown if there was no time for it now.
 */
export function gaugesOf({ checks, notRun, lastLevels }: HealthDocument): Record<Level, number> {
  const unknown = Object.fromEntries(notRun.map((name) => [name, 'unknown' as const]));
  const now = Object.fromEntries(checks.map(({ name, level }) => [name, level]));
  return countLevels(Object.values({ ...unknown, ...lastLevels, ...now }));
}

/** The value of the worst subject; undefined when the check did not run or is unknown. */
export function worstValue(checks: readonly HealthCheck[], name: string): number | undefined {
  const check = checks.find((candidate) => candidate.name === name);
  if (!check || check.level === 'unknown') return undefined;
  return check.value ?? 0;
}

/** How many of the 20 worst subjects are critical; undefined when the check did not run or is unknown. */
export function criticalFindings(checks: readonly HealthCheck[], name: string): number | undefined {
  const check = checks.find((candidate) => candidate.name === name);
  if (!check || check.level === 'unknown') return undefined;
  return check.findings.filter(({ level }) => level === 'critical').length;
}

const words = {
  ok: 'ok',
  info: 'ok',
  unknown: 'warning',
  warning: 'warning',
  critical: 'critical',
} as const satisfies Record<Level, string>;
export type StatusWord = (typeof words)[Level];

/** One word for monitoring from outside. */
export function statusWord(checks: readonly HealthCheck[], notRun: readonly string[]): StatusWord {
  const found = checks.map(({ level }) => level);
  return words[worstOf(notRun.length > 0 ? [...found, 'unknown'] : found)];
}

/** How a key query does, in a word: against what it may take, then against what it usually takes. */
export function stateOfQuery({ failure, medianMs, maxMs, verdict, confirmed }: KeyQuery) {
  if (failure !== null) return 'could not run';
  if (medianMs === null) return 'not measured';
  if (medianMs >= maxMs) return 'too slow';
  if (verdict === 'slower' && confirmed) return 'slower than usual';
  if (verdict === 'faster' && confirmed) return 'faster than usual';
  return 'ok';
}
