import { type HealthCheck, type HealthDocument, type Level, levels } from './schema.ts';

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
 * What the checks come to in all. Those that did not run count as the last full run found them, or as unknown where that
 * found nothing and no time was left for them now.
 */
export function gaugesOf({ checks, notRun, lastLevels }: HealthDocument): Record<Level, number> {
  const unknown = Object.fromEntries(notRun.map((name) => [name, 'unknown' as const]));
  const now = Object.fromEntries(checks.map(({ name, level }) => [name, level]));
  return countLevels(Object.values({ ...unknown, ...lastLevels, ...now }));
}

/** The value of the worst subject; undefined when the check did not run or could not look. */
export function worstValue(checks: readonly HealthCheck[], name: string): number | undefined {
  const check = checks.find((candidate) => candidate.name === name);
  if (!check || check.level === 'unknown') return undefined;
  return check.value ?? 0;
}

/** How many subjects are critical, of the 20 worst; undefined when the check did not run or could not look. */
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

/** One word for whoever watches from outside. */
export function statusWord(checks: readonly HealthCheck[], notRun: readonly string[]): StatusWord {
  const found = checks.map(({ level }) => level);
  return words[worstOf(notRun.length > 0 ? [...found, 'unknown'] : found)];
}
