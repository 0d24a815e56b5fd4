import fc from 'fast-check';
import { expect } from 'vitest';

/** Far more than a case takes. */
const caseTimeoutMs = 30_000;

/** A night has time for what the day leaves out. */
export const isNightly = process.env.PROPERTY_RUNS !== undefined;

/** Says which cases are tried. The global setup draws one for each run and prints it, unless PROPERTY_SEED is set. */
const seed = Number(process.env.PROPERTY_SEED);

/**
 * How many cases of a property are tried: a few, unless PROPERTY_RUNS says how many a night has time for. `most` is for a
 * property whose cases take so long that a night has time for fewer.
 */
export function propertyRuns(
  few: number,
  most = Number.POSITIVE_INFINITY,
): { numRuns: number; timeoutMs: number; seed: number } {
  const numRuns = Math.min(Number(process.env.PROPERTY_RUNS ?? few), most);
  return { numRuns, timeoutMs: numRuns * caseTimeoutMs, seed };
}

/** How many a test file has drawn. Files that share a process must not change each other's. */
const samples = new Map<string | undefined, number>();

/** As many of them as a day has time for, in their order: others in each run. A night tries all. */
export function sampleOf<Case>(cases: readonly Case[], few: number): Case[] {
  if (isNightly || cases.length <= few) return [...cases];
  const { testPath } = expect.getState();
  const sample = (samples.get(testPath) ?? 0) + 1;
  samples.set(testPath, sample);
  const some = fc.subarray([...cases], { minLength: few, maxLength: few });
  return fc.sample(some, { seed: seed + sample, numRuns: 1 }).flat();
}
