import { pause } from '../_shared/clock.ts';
import type { Pressure, PurgedBatch } from './schema.ts';

/** A pause after a batch, and for what. */
export interface Pause {
  ms: number;
  why: string;
}

/** With so many others at work, or with any trouble, the purge takes a tenth of the time. */
const longestPauseInBatches = 9;
/** Locks are not held during a pause, but a run must see a cancel, and renew its lease. */
const longestPauseMs = 5_000;

const laggingReplicaMs = 10_000;
/** At half of max_wal_size Postgres begins a checkpoint before its time, which costs everybody. */
const muchWal = 0.4;
/** An answer that takes so much longer than the quickest one waited for the server, as those of the application do. */
const slowAnswer = { timesQuickest: 4, ms: 40 };

/**
 * Leaves others the time that is theirs: with n sessions at work beside it, the purge takes one turn of n + 1. It holds
 * back more where it may be a burden to them.
 */
export function pauseAfter(
  durationMs: number,
  pressure: Pressure,
  answer: {
    /** How long the call took besides the work of the batch. */
    overheadMs: number;
    quickestMs: number;
  },
): Pause | undefined {
  // On an idle server they cost nobody anything.
  const isFelt = pressure.sessionsAtWork > 0;
  const isSlow = answer.overheadMs > slowAnswer.ms + slowAnswer.timesQuickest * answer.quickestMs;
  const troubles: [boolean, string][] = [
    [pressure.sessionsWaiting > 0, 'sessions that wait for a lock'],
    [pressure.preventsWraparound, 'an autovacuum to prevent wraparound'],
    [pressure.replicaLagMs >= laggingReplicaMs, 'a replica that lags behind'],
    [isFelt && pressure.walShare >= muchWal, 'much WAL since the last checkpoint'],
    [isFelt && isSlow, 'answers that take longer than before'],
  ];
  const trouble = troubles.find(([applies]) => applies)?.[1];
  const batches = trouble
    ? longestPauseInBatches
    : Math.min(pressure.sessionsAtWork, longestPauseInBatches);
  if (batches === 0) return undefined;
  return {
    ms: Math.min(batches * durationMs, longestPauseMs),
    why: trouble ?? 'other sessions at work',
  };
}

/** The pauses of one table. */
export class Pauses {
  #quickestMs = Number.POSITIVE_INFINITY;
  readonly #msByReason = new Map<string, number>();

  /** Waits as long as it is right after this batch, and never longer than there is time. */
  async makeAfter(
    { durationMs, pressure }: Pick<PurgedBatch, 'durationMs' | 'pressure'>,
    { elapsedMs, spareMs }: { elapsedMs: number; spareMs: number },
  ): Promise<void> {
    const overheadMs = Math.max(elapsedMs - durationMs, 0);
    this.#quickestMs = Math.min(this.#quickestMs, overheadMs);
    const due =
      pressure && pauseAfter(durationMs, pressure, { overheadMs, quickestMs: this.#quickestMs });
    const ms = Math.min(due?.ms ?? 0, spareMs);
    if (!due || ms <= 0) return;
    await pause(ms);
    this.#msByReason.set(due.why, (this.#msByReason.get(due.why) ?? 0) + ms);
  }

  get pacedMs(): number {
    return Math.round([...this.#msByReason.values()].reduce((sum, ms) => sum + ms, 0));
  }

  /** The reason of most of them first. */
  get pacedFor(): string[] {
    return [...this.#msByReason].toSorted(([, a], [, b]) => b - a).map(([why]) => why);
  }
}
