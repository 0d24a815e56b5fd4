/** Kept from the work, so that a proxy that does not answer for a while makes no night that is done a lost one. */
const recordingMs = (remainingMs: number) => Math.min(remainingMs / 10, 30_000);

/** How much of the time that a function has left its run may work. */
export const workMsOf = (remainingMs: number) => remainingMs - recordingMs(remainingMs);

/** The wall clock of an isolate on the free plan of Supabase, and as long as the gateway waits for an answer on any. */
const leastWallClockMs = 150_000;

/**
 * How long an isolate of Edge Runtime that has just got a request surely lives. It counts from when it was booted, and
 * gets no request after half of its time: so one that is older than half of the least has a plan that gives it more.
 */
export const isolateMsLeft = (ageMs: number) =>
  Math.min(Math.max(leastWallClockMs - ageMs, ageMs), leastWallClockMs);
