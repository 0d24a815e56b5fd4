import type { Deadline } from '../../functions/_shared/clock.ts';

/** As much time as a run usually has, which never passes: no test is about how fast a machine is. */
export const endless = (remainingMs: number): Deadline => ({ remainingMs: () => remainingMs });
