import { describe, expect, it } from 'vitest';
import { Pauses, pauseAfter } from '../../functions/retention-purge/pace.ts';
import type { Pressure } from '../../functions/retention-purge/schema.ts';

const idle: Pressure = {
  sessionsAtWork: 0,
  sessionsWaiting: 0,
  preventsWraparound: false,
  replicaLagMs: 0,
  walShare: 0,
};
const prompt = { overheadMs: 5, quickestMs: 5 };
const pauseUnder = (pressure: Partial<Pressure>, durationMs = 200, answer = prompt) =>
  pauseAfter(durationMs, { ...idle, ...pressure }, answer);

describe('the pause after a batch', () => {
  it('is none on an idle server, whatever it writes and however slow its answers are', () => {
    expect(pauseUnder({ walShare: 1 }, 200, { overheadMs: 500, quickestMs: 5 })).toBeUndefined();
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
  const batch = { durationMs: 1, pressure: { ...idle, sessionsAtWork: 3 } };

  it('are no longer than there is time for', async () => {
    const pauses = new Pauses();
    await pauses.makeAfter(batch, { elapsedMs: 1, spareMs: 2 });
    await pauses.makeAfter(batch, { elapsedMs: 1, spareMs: -1 });
    expect(pauses.pacedMs).toBe(2);
  });

  it('are summed up, with what most of them were for first', async () => {
    const pauses = new Pauses();
    const waiting = { durationMs: 1, pressure: { ...idle, sessionsWaiting: 1 } };
    await pauses.makeAfter(batch, { elapsedMs: 1, spareMs: 1_000 });
    await pauses.makeAfter(waiting, { elapsedMs: 1, spareMs: 1_000 });
    expect(pauses.pacedMs).toBe(12);
    expect(pauses.pacedFor).toEqual(['sessions that wait for a lock', 'other sessions at work']);
  });

  it('are none after the last batch', async () => {
    const pauses = new Pauses();
    await pauses.makeAfter({ durationMs: 1, pressure: null }, { elapsedMs: 1, spareMs: 1_000 });
    expect([pauses.pacedMs, pauses.pacedFor]).toEqual([0, []]);
  });
});
