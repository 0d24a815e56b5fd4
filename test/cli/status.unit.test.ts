import { describe, expect, it } from 'vitest';
import { statusOf } from '../../cli/commands/status.ts';
import { timeMs } from '../../functions/_shared/clock.ts';
import { runDocument } from '../../functions/_shared/ledger.ts';
import type { JobState } from '../../functions/health-check/schema.ts';

const noon = timeMs('2026-03-10T12:00:00Z');

const lastRun = {
  id: '1',
  status: 'succeeded',
  trigger: 'schedule',
  startedAt: '2026-03-10T02:00:00Z',
  heartbeatAt: null,
  finishedAt: '2026-03-10T02:00:10Z',
};

const base = {
  ...lastRun,
  job: 'retention-purge',
  requestedBy: null,
  dryRun: false,
  attempt: 1,
  fence: 1,
  input: {},
  progress: {},
  report: null,
  error: null,
};

/** The purge, at two every night. */
const job = (changes: Partial<JobState> = {}): JobState => ({
  job: 'retention-purge',
  declaredAt: '2026-01-01T00:00:00Z',
  lastRun,
  lastSuccessAt: lastRun.finishedAt,
  secondsSinceLastSuccess: 36_000,
  failedInRow: 0,
  partialInRow: 0,
  lostInRow: 0,
  usualDurationMs: 9_000,
  lastAside: null,
  underWay: [],
  ...changes,
});

const neverRan = { lastRun: null, lastSuccessAt: null };

/** A run that says nothing of the whole job. */
const aside = (changes: object) => runDocument.parse({ ...base, ...changes });

const startedAt = (startedAt: string) => ({ lastRun: { ...lastRun, startedAt } });

describe('the state of a job', () => {
  it.each<[string, Partial<JobState>]>([
    ['on time', {}],
    ['partial', { partialInRow: 1 }],
    ['failed', { failedInRow: 2 }],
    ['lost', { lostInRow: 1, failedInRow: 1 }],
    ['running', { lastRun: { ...lastRun, status: 'running', finishedAt: null } }],
    ['late', startedAt('2026-03-09T01:00:00Z')],
    ['never ran', { lastRun: null, lastSuccessAt: null }],
    ['only ran dry', { ...neverRan, lastAside: aside({ dryRun: true }) }],
    ['only ran in part', { ...neverRan, lastAside: aside({ input: { only: ['a.b'] } }) }],
    ['running', { ...neverRan, underWay: [aside({ status: 'running', finishedAt: null })] }],
    ['on time', { underWay: [aside({ dryRun: true, status: 'running' })] }],
    ['interrupted', { lastRun: { ...lastRun, status: 'interrupted' } }],
    ['not used', { declaredAt: null, lastRun: null, lastSuccessAt: null }],
  ])('is %s', (state, changes) => {
    expect(statusOf(job(changes), noon, 'prod').state).toBe(state);
  });

  it('is late only ten minutes after its time', () => {
    const yesterday = job(startedAt('2026-03-09T02:00:01Z'));
    expect(statusOf(yesterday, timeMs('2026-03-10T02:09:59Z'), 'prod').state).toBe('on time');
    expect(statusOf(yesterday, timeMs('2026-03-10T02:10:01Z'), 'prod').state).toBe('late');
  });

  it('names the next time, which is never in the past', () => {
    expect(statusOf(job(), noon, 'prod').nextDueAt).toBe('2026-03-11T02:00:00.000Z');
    expect(statusOf(job(startedAt('2026-03-01T02:00:00Z')), noon, 'prod').nextDueAt).toBe(
      '2026-03-11T02:00:00.000Z',
    );
    expect(statusOf(job({ job: 'of-another-deployment' }), noon, 'prod')).toMatchObject({
      nextDueAt: null,
      state: 'succeeded',
    });
  });
});
