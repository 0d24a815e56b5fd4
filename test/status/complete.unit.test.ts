import { describe, expect, it } from 'vitest';
import { completeStatus } from '../../functions/status/complete.ts';
import { type StoredStatus, storedStatus } from '../../functions/status/schema.ts';

const none = { items: [], total: 0, problem: null };

function stored(overrides: Partial<StoredStatus> = {}): StoredStatus {
  return storedStatus.parse({
    version: 1,
    takenAt: '2026-03-29T00:10:00+00:00',
    oldAfter: '2026-03-29T00:40:00+00:00',
    runId: 'r',
    readAt: '2026-03-29T00:12:00+00:00',
    ageSeconds: 120,
    isOld: false,
    database: { name: 'postgres', serverVersion: '17.5', bytes: 1, readOnly: false },
    projectUrl: null,
    paused: null,
    headline: { level: 'ok', text: 'Everything is all right.', since: null },
    jobs: none,
    retention: none,
    views: none,
    partitions: none,
    health: none,
    trends: none,
    queries: none,
    ...overrides,
  });
}

function withCron(...crons: [cron: string, timeZone: string][]) {
  const job = {
    job: 'retention-purge',
    purpose: '',
    state: 'ok' as const,
    schedules: crons.map(([cron, timeZone], n) => ({ name: `${n}`, cron, timeZone })),
    lastRun: null,
    lastError: null,
    lastSuccessAt: null,
    usualDurationMs: null,
    failedInRow: 0,
    partialInRow: 0,
    lostInRow: 0,
    runs: [],
  };
  const { jobs } = completeStatus(stored({ jobs: { items: [job], total: 1, problem: null } }));
  return jobs.items[0];
}

describe('the schedules of a job', () => {
  it('are said in words, with the next time of each', () => {
    expect(withCron(['30 2 * * *', 'GMT'], ['*/5 * * * *', 'GMT'])).toMatchObject({
      nextDueAt: '2026-03-29T00:15:00.000Z',
      schedules: [
        { words: 'At 02:30', nextDueAt: '2026-03-29T02:30:00.000Z' },
        { words: 'Every 5 minutes', nextDueAt: '2026-03-29T00:15:00.000Z' },
      ],
    });
  });

  it('are in the time zone of pg_cron, with its summer time', () => {
    expect(withCron(['0 4 * * *', 'Europe/Berlin'])).toMatchObject({
      nextDueAt: '2026-03-29T02:00:00.000Z',
    });
  });

  it('may be of a kind that is not understood', () => {
    const odd = withCron(['30 seconds', 'GMT'], ['0 0 * * *', 'Nowhere/Else']);
    expect(odd?.nextDueAt).toBeNull();
    expect(odd?.schedules[0]?.words).toBe('30 seconds');
    expect(odd?.schedules.map(({ nextDueAt }) => nextDueAt)).toEqual([null, null]);
  });

  it('are not known where the database does not start the job', () => {
    expect(withCron()).toMatchObject({ schedules: [], nextDueAt: null });
  });
});

describe('the headline', () => {
  it('is that of the snapshot while somebody looks', () => {
    expect(completeStatus(stored()).headline.level).toBe('ok');
  });

  it('is never that all is well when nobody has looked for long', () => {
    expect(completeStatus(stored({ isOld: true })).headline).toMatchObject({
      level: 'critical',
      since: '2026-03-29T00:10:00+00:00',
    });
  });

  it('says that nothing can be written, whatever was found before', () => {
    const database = { name: 'postgres', serverVersion: '17.5', bytes: 1, readOnly: true };
    const { headline } = completeStatus(stored({ database, isOld: true }));
    expect(headline).toMatchObject({ level: 'critical', text: expect.stringContaining('written') });
  });
});
