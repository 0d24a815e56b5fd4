import { describe, expect, it } from 'vitest';
import {
  Pauses,
  pauseAfter,
  shortBatchMs,
  usualBatchMs,
} from '../../functions/retention-purge/pace.ts';
import type { Pressure } from '../../functions/retention-purge/schema.ts';

const idle: Pressure = {
  sessionsAtWork: 0,
  sessionsWaiting: 0,
  preventsWraparound: false,
  replicaLagMs: 0,
  walShare: 0,
};
const prompt = { overheadMs: 5, quickestMs: 5 };
const noRoom = 0;
const pauseUnder = (
  pressure: Partial<Pressure>,
  durationMs = 200,
  answer = prompt,
  roomInBatches = noRoom,
) => pauseAfter(durationMs, { ...idle, ...pressure }, answer, roomInBatches);

describe('the pause after a batch', () => {
  it('is none on an idle server, whatever it writes and however slow its answers are', () => {
    const slow = { overheadMs: 500, quickestMs: 5 };
    expect(pauseUnder({ walShare: 1 }, 200, slow, 1_000)).toBeUndefined();
  });

  it.each([[{ sessionsAtWork: 8 }], [{ sessionsAtWork: 50 }], [{ sessionsWaiting: 1 }]])(
    'is as long as there is room for, up to 24 batches, for %o',
    (pressure) => {
      expect(pauseUnder(pressure, 100, prompt, 1_000)?.ms).toBe(2_400);
      expect(pauseUnder(pressure, 100, prompt, 12.5)?.ms).toBe(1_250);
    },
  );

  it('gives each session at work three turns where there is room', () => {
    expect(pauseUnder({ sessionsAtWork: 1 }, 100, prompt, 1_000)?.ms).toBe(300);
    expect(pauseUnder({ sessionsAtWork: 5 }, 100, prompt, 1_000)?.ms).toBe(1_500);
  });

  it('gives each session at work a turn as long as the batch, up to nine', () => {
    expect(pauseUnder({ sessionsAtWork: 1 })).toEqual({ ms: 200, why: 'other sessions at work' });
    expect(pauseUnder({ sessionsAtWork: 4 })?.ms).toBe(800);
    expect(pauseUnder({ sessionsAtWork: 50 })?.ms).toBe(1_800);
  });

  it.each([
    [{ sessionsWaiting: 1 }, 'sessions that wait for a lock'],
    [{ preventsWraparound: true }, 'an autovacuum to prevent wraparound'],
    [{ replicaLagMs: 10_000 }, 'a replica that lags behind'],
    [{ sessionsAtWork: 1, walShare: 0.4 }, 'much WAL since the last checkpoint'],
  ])('is nine batches long for %o', (pressure, why) => {
    expect(pauseUnder(pressure)).toEqual({ ms: 1_800, why });
  });

  it('is nine batches long when answers take much longer than the quickest one', () => {
    const answers = (overheadMs: number) =>
      pauseUnder({ sessionsAtWork: 1 }, 200, { overheadMs, quickestMs: 5 });
    expect(answers(61)).toEqual({ ms: 1_800, why: 'answers that take longer than before' });
    expect(answers(60)?.why).toBe('other sessions at work');
  });

  it('is never longer than five seconds, within which a cancel is seen', () => {
    expect(pauseUnder({ sessionsWaiting: 1 }, 4_000)?.ms).toBe(5_000);
  });
});

describe('the pauses of a table', () => {
  const at = (work: Partial<Pressure>) => ({ durationMs: 1, pressure: { ...idle, ...work } });
  const busy = at({ sessionsAtWork: 8 });
  const hurried = { elapsedMs: 1, spareMs: 8, rowsDone: 1 };

  it('are no longer than there is time for', async () => {
    const pauses = new Pauses(1_000, { besideOthers: true });
    await pauses.makeAfter(busy, { ...hurried, spareMs: 2 });
    await pauses.makeAfter(busy, { ...hurried, spareMs: -1 });
    expect(pauses.pacedMs).toBe(2);
  });

  it('are summed up, with what most of them were for first', async () => {
    const pauses = new Pauses(1_000, { besideOthers: true });
    await pauses.makeAfter(busy, hurried);
    await pauses.makeAfter(at({ sessionsWaiting: 1 }), { ...hurried, spareMs: 10 });
    expect(pauses.pacedMs).toBe(17);
    expect(pauses.pacedFor).toEqual(['sessions that wait for a lock', 'other sessions at work']);
  });

  it('are none after the last batch', async () => {
    const pauses = new Pauses(1_000, { besideOthers: true });
    await pauses.makeAfter({ durationMs: 1, pressure: null }, hurried);
    expect([pauses.pacedMs, pauses.pacedFor]).toEqual([0, []]);
  });

  /** After a batch of one row in 1 ms, when so much time and so many more rows are left to the run. */
  const after = async (spareMs: number, rowsLeft: number, work = busy) => {
    const pauses = new Pauses(1 + rowsLeft, { besideOthers: true });
    await pauses.makeAfter(work, { elapsedMs: 1, spareMs, rowsDone: 1 });
    return { pacedMs: pauses.pacedMs, batchMs: pauses.batchMs };
  };

  it('take half of the time that the rows of the run leave, and short batches between them where that is enough', async () => {
    expect(await after(4_800, 100)).toEqual({ pacedMs: 24, batchMs: shortBatchMs });
    expect(await after(4_000, 100)).toEqual({ pacedMs: 20, batchMs: usualBatchMs });
    expect(await after(400, 100)).toEqual({ pacedMs: 8, batchMs: usualBatchMs });
  });

  it('are those of a quarter of an hour where the run has no end', async () => {
    expect(await after(Number.POSITIVE_INFINITY, 1_000)).toMatchObject({ pacedMs: 24 });
    expect(await after(Number.POSITIVE_INFINITY, 1_000_000)).toEqual({
      pacedMs: 8,
      batchMs: usualBatchMs,
    });
  });

  it('are turns where the time cannot be reckoned', async () => {
    expect(await after(4_800, 0)).toEqual({ pacedMs: 8, batchMs: usualBatchMs });
    const pauses = new Pauses(100, { besideOthers: true });
    await pauses.makeAfter(busy, { elapsedMs: 1, spareMs: 100_000, rowsDone: 0 });
    expect(pauses.pacedMs).toBe(8);
  });

  it('are not needed, nor are short batches, once nobody else is at work', async () => {
    expect(new Pauses(1, { besideOthers: true }).batchMs).toBe(shortBatchMs);
    expect(new Pauses(1, { besideOthers: false }).batchMs).toBe(usualBatchMs);
    expect(await after(4_800, 100, at({}))).toEqual({ pacedMs: 0, batchMs: usualBatchMs });
  });
});
