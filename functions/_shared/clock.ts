/** The only place that reads time. Everything else takes a Clock, so that tests can move it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
}

export const systemClock: Clock = { nowMs: () => Date.now() };

/** How long a run may still work. */
export interface Deadline {
  /** Whole milliseconds, since no timeout of a request takes others. */
  remainingMs(): number;
}

export function deadlineIn(clock: Clock, budgetMs: number): Deadline {
  const endMs = clock.nowMs() + budgetMs;
  return { remainingMs: () => Math.floor(endMs - clock.nowMs()) };
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Parses an ISO 8601 time, as the database writes it. */
export function timeMs(iso: string): number {
  return Date.parse(iso);
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
