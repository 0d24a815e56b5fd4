import { pause } from '../_shared/clock.ts';
import type { Pressure, PurgedBatch } from './schema.ts';

/** A pause after a batch, and for what. */
export interface Pause {
  ms: number;
  why: string;
}

/** How long a batch should take. Users do not notice locks that are held for a fifth of a second. */
export const usualBatchMs = 200;
/** Beside others at work, while there is time. */
export const shortBatchMs = 50;

/** While there is time: with eight others at work, or with any trouble, the slowest hundredth of what they do hardly changes then. */
const gentlePauseInBatches = 24;
const gentlePausePerSession = 3;
/** Else, with so many others at work, or with any trouble, the purge takes a tenth of the time. */
const longestTurnInBatches = 9;
/** Of the time that is left to a run, so much may go to work and pauses as they are reckoned; its tables differ. */
const reckonedShare = 0.5;
/** A run by hand or by a cron has no end of its own, but somebody who waits for it: it reckons with as much time as AWS has. */
const reckonedMs = 15 * 60_000;
/** Locks are not held during a pause, but a run must see a cancel, and renew its lease. */
const longestPauseMs = 5_000;

const laggingReplicaMs = 10_000;
/** At half of max_wal_size Postgres begins a checkpoint before its time, which costs everybody. */
const muchWal = 0.4;
/** An answer that takes so much longer than the quickest one waited for the server, as those of the application do. */
const slowAnswer = { timesQuickest: 4, ms: 40 };

/**
 * Leaves others the time that is theirs: at least as if all took turns, which with n sessions at work beside it is one turn
 * of n + 1 for the purge, and three turns for each of them where there is time. It holds back most where it may be a burden.
 */
export function pauseAfter(
  durationMs: number,
  pressure: Pressure,
  answer: {
    /** How long the call took besides the work of the batch. */
    overheadMs: number;
    quickestMs: number;
  },
  /** How long each pause could be, in batches, for the run to end in time. */
  roomInBatches: number,
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
  if (!trouble && !isFelt) return undefined;
  const sessions = trouble ? Number.POSITIVE_INFINITY : pressure.sessionsAtWork;
  const turns = Math.min(sessions, longestTurnInBatches);
  const gently = Math.min(sessions * gentlePausePerSession, gentlePauseInBatches, roomInBatches);
  const batches = Math.max(turns, gently);
  return {
    ms: Math.min(batches * durationMs, longestPauseMs),
    why: trouble ?? 'other sessions at work',
  };
}

/** The pauses of one table. */
export class Pauses {
  /** Of this table, and of those behind it, which need time as well. */
  #rowsLeft: number;
  #rowsDone = 0;
  #quickestMs = Number.POSITIVE_INFINITY;
  #workedMs = 0;
  readonly #msByReason = new Map<string, number>();
  batchMs: number;

  constructor(rowsLeft: number, { besideOthers }: { besideOthers: boolean }) {
    this.#rowsLeft = rowsLeft;
    this.batchMs = besideOthers ? shortBatchMs : usualBatchMs;
  }

  /** Waits as long as it is right after this batch, and never longer than there is time. */
  async makeAfter(
    { durationMs, pressure }: Pick<PurgedBatch, 'durationMs' | 'pressure'>,
    { elapsedMs, spareMs, rowsDone }: { elapsedMs: number; spareMs: number; rowsDone: number },
  ): Promise<void> {
    const overheadMs = Math.max(elapsedMs - durationMs, 0);
    this.#quickestMs = Math.min(this.#quickestMs, overheadMs);
    this.#workedMs += elapsedMs;
    this.#rowsDone += rowsDone;
    this.#rowsLeft -= rowsDone;
    const room = this.#roomInBatches(spareMs);
    const answer = { overheadMs, quickestMs: this.#quickestMs };
    const due = pressure && pauseAfter(durationMs, pressure, answer, room);
    this.batchMs = due && room >= gentlePauseInBatches ? shortBatchMs : usualBatchMs;
    const ms = Math.min(due?.ms ?? 0, spareMs);
    if (!due || ms <= 0) return;
    await pause(ms);
    this.#msByReason.set(due.why, (this.#msByReason.get(due.why) ?? 0) + ms);
  }

  /** None while it cannot be reckoned: before any row is done, and when there are more than were counted. */
  #roomInBatches(spareMs: number): number {
    if (this.#rowsDone <= 0 || this.#rowsLeft <= 0) return 0;
    return (
      (Math.min(spareMs, reckonedMs) * reckonedShare) /
      ((this.#workedMs / this.#rowsDone) * this.#rowsLeft)
    );
  }

  get pacedMs(): number {
    return Math.round([...this.#msByReason.values()].reduce((sum, ms) => sum + ms, 0));
  }

  /** The reason of most of them first. */
  get pacedFor(): string[] {
    return [...this.#msByReason].toSorted(([, a], [, b]) => b - a).map(([why]) => why);
  }
}
