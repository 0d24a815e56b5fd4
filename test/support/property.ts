/** Far more than a case takes. */
const caseTimeoutMs = 30_000;

/** A night has time for what the day leaves out. */
export const isNightly = process.env.PROPERTY_RUNS !== undefined;

/** How many cases of a property are tried: a few, unless PROPERTY_RUNS says how many a night has time for. */
export function propertyRuns(few: number): { numRuns: number; timeoutMs: number } {
  const numRuns = Number(process.env.PROPERTY_RUNS ?? few);
  return { numRuns, timeoutMs: numRuns * caseTimeoutMs };
}
