/** Kept from the work, so that a proxy that does not answer for a while makes no night that is done a lost one. */
const recordingMs = (remainingMs: number) => Math.min(remainingMs / 10, 30_000);

/** How much of the time that a function has left its run may work. */
export const workMsOf = (remainingMs: number) => remainingMs - recordingMs(remainingMs);
