import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isoTime } from '../../functions/_shared/clock.ts';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import type { RunDocument } from '../../functions/_shared/ledger.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { maxAttempts, publishOutcome } from '../../functions/_shared/publish-outcome.ts';
import type { Rpc } from '../../functions/_shared/rpc.ts';
import { eventDetails, type RunEvent } from '../../functions/_shared/run-events.ts';

const startMs = 1_767_232_800_000;
const continueType = 'nightshift.run.continue';
/** Made once: zod compiles each schema when it first parses. */
const strictDetails = Object.fromEntries(
  Object.entries(eventDetails).map(([type, schema]) => [type, schema.strict()]),
) as typeof eventDetails;

function aRun(overrides: Partial<RunDocument> = {}): RunDocument {
  return {
    id: '3f0c6c7e-55a5-4f6e-9d0a-0a4b1f7a2c11',
    job: 'retention-purge',
    trigger: 'schedule',
    dryRun: false,
    status: 'succeeded',
    requestedBy: null,
    cancelRequestedAt: null,
    cancelRequestedBy: null,
    attempt: 1,
    fence: 1,
    input: {},
    startedAt: isoTime(startMs),
    finishedAt: isoTime(startMs),
    progress: {},
    report: { dryRun: false, rowsPurged: 3, rowsLeft: 0, steps: [{ rowsLeft: 9 }] },
    error: null,
    ...overrides,
  };
}

interface Telling {
  outcome?: 'started' | 'duplicate' | 'skipped';
  run?: RunDocument;
  resume?: { runId: string; attempt: number };
  lost?: string[];
  /** Runs that the ledger knows beside it. */
  ledger?: RunDocument[];
  nowMs?: number;
  takes?: boolean;
}

/** What is published of a run that ended so. */
async function tell({
  outcome = 'started',
  run = aRun(),
  resume,
  lost = [],
  ledger = [],
  nowMs = startMs,
  takes = true,
}: Telling) {
  const published: RunEvent[] = [];
  const counted: [string, number][] = [];
  const call = async (_: string, { run_id }: { run_id: string }) => {
    const found = ledger.find(({ id }) => id === run_id);
    if (!found) throw new NightshiftError('NS404', 'There is no such run');
    return found;
  };
  const error = await publishOutcome(
    { outcome, run, resume, lost },
    {
      rpc: { call } as unknown as Rpc,
      bus: {
        publish: async (events) => {
          published.push(...events);
          const refused = new NightshiftError('NS503', 'not taken');
          return takes ? [] : events.map((event) => ({ event, error: refused }));
        },
      },
      clock: { nowMs: () => nowMs },
      deadline: { remainingMs: () => 1_000 },
      log: silentLog,
      metrics: { ...noMetrics, add: (name, value) => counted.push([name, value]) },
    },
  );
  for (const { type, detail } of published) {
    expect(strictDetails[type].parse(detail)).toEqual(detail);
  }
  return { published, counted, error };
}

describe('what is told of a run', () => {
  it.each(['succeeded', 'partial'] as const)('that ended %s, with its figures', async (status) => {
    const { published } = await tell({ run: aRun({ status }) });
    expect(published).toMatchObject([
      { type: 'nightshift.run.finished', detail: { status, counts: { rowsPurged: 3 } } },
    ]);
    expect(published[0]?.detail).toHaveProperty('counts', { rowsPurged: 3, rowsLeft: 0 });
  });

  it('that failed is code and message, cut short, and never the words of a defect', async () => {
    const failed = async (code: string, message: string) => {
      const error = { code, message, detail: 'row 17', hint: 'row 18' };
      return (await tell({ run: aRun({ status: 'failed', error }) })).published[0]?.detail;
    };
    expect(await failed('NS428', 'Too much')).toMatchObject({
      status: 'failed',
      error: { code: 'NS428', message: 'Too much' },
    });
    expect(await failed('NS428', 'x'.repeat(300_000))).toMatchObject({
      error: { message: 'x'.repeat(1_000) },
    });
    const defect = await failed('NS500', 'Unexpected token "Mrs Smith"');
    expect(JSON.stringify(defect)).not.toContain('Smith');
  });

  it('found lost goes beside its own, and one that the ledger does not give is counted', async () => {
    const error = { code: 'NS409', message: 'The lease ran out' };
    const lost = aRun({ id: '0b0e6f0a-8f6e-4a7b-9a51-0d5c9c1f7a10', status: 'lost', error });
    const both = await tell({ lost: [lost.id], ledger: [lost] });
    expect(both.published.map(({ type }) => type)).toEqual([
      'nightshift.run.finished',
      'nightshift.run.failed',
    ]);
    expect(both.published[1]?.detail).toMatchObject({ runId: lost.id, status: 'lost', error });
    const skipped = await tell({
      ...{ outcome: 'skipped', run: aRun({ status: 'skipped' }) },
      ...{ lost: [lost.id], ledger: [lost] },
    });
    expect(skipped.published).toMatchObject([{ detail: { status: 'lost' } }]);
    const unknown = await tell({ lost: [lost.id] });
    expect(unknown.published).toHaveLength(1);
    expect(unknown.counted).toEqual([['EventsUndelivered', 1]]);
    expect(unknown.error).toBeUndefined();
  });

  it.each<[string, Telling]>([
    ['a dry run', { run: aRun({ dryRun: true }) }],
    ['a dry run that failed', { run: aRun({ dryRun: true, status: 'failed' }) }],
    [
      'a lost dry run',
      {
        outcome: 'skipped',
        run: aRun({ status: 'skipped' }),
        lost: ['d'],
        ledger: [aRun({ id: 'd', dryRun: true, status: 'lost' })],
      },
    ],
    ['a skipped run', { outcome: 'skipped', run: aRun({ status: 'skipped' }) }],
    ['a trigger that came again', { outcome: 'duplicate' }],
    [
      'a copy while the run is at work',
      {
        outcome: 'duplicate',
        run: aRun({ status: 'running', attempt: 2, finishedAt: null }),
        resume: { runId: 'r', attempt: 1 },
      },
    ],
    [
      'a continuation that was skipped',
      {
        outcome: 'skipped',
        run: aRun({ status: 'continued' }),
        resume: { runId: 'r', attempt: 1 },
      },
    ],
  ])('is nothing of %s', async (_, telling) => {
    expect(await tell({ nowMs: startMs + 3_600_000, ...telling })).toEqual({
      published: [],
      counted: [],
      error: undefined,
    });
  });

  it('when the bus takes nothing is counted, and only a continuation is an error', async () => {
    const finished = await tell({ takes: false });
    expect(finished.counted).toEqual([['EventsUndelivered', 1]]);
    expect(finished.error).toBeUndefined();
    const continued = await tell({ run: aRun({ status: 'continued' }), takes: false });
    expect(continued.counted).toEqual([['EventsUndelivered', 1]]);
    expect(continued.error).toMatchObject({ code: 'NS503' });
  });
});

describe('a run with work left', () => {
  it(`asks to be continued, but not after ${maxAttempts} attempts: then it is finished`, async () => {
    const at = (attempt: number) => tell({ run: aRun({ status: 'continued', attempt }) });
    expect((await at(maxAttempts - 1)).published).toMatchObject([
      { type: continueType, detail: { attempt: maxAttempts - 1 } },
    ]);
    expect(await at(maxAttempts)).toMatchObject({
      published: [{ type: 'nightshift.run.finished', detail: { status: 'continued' } }],
      error: undefined,
    });
    const again = {
      outcome: 'duplicate',
      resume: { runId: 'r', attempt: maxAttempts - 1 },
    } as const;
    const run = aRun({ status: 'continued', attempt: maxAttempts });
    expect((await tell({ ...again, run, nowMs: startMs + 60_000 })).published).toEqual([]);
  });

  it.each([
    ['its trigger, at once', undefined, 1, 0, true],
    ['its trigger, when it was resumed since', undefined, 2, 60_000, false],
    ['the event that resumed it, when Lambda tries again', 1, 2, 60_000, true],
    ['a copy of that event', 1, 2, 1_000, false],
    ['an older event', 1, 3, 60_000, false],
    ['an event that is too early', 4, 3, 60_000, false],
  ])('hears a second time from %s', async (_, resumed, attempt, waitedMs, asks) => {
    const { published } = await tell({
      outcome: 'duplicate',
      run: aRun({ status: 'continued', attempt }),
      nowMs: startMs + waitedMs,
      ...(resumed ? { resume: { runId: 'r', attempt: resumed } } : {}),
    });
    expect(published.map(({ type }) => type)).toEqual(asks ? [continueType] : []);
  });
});

/** One delivery of the event that asks for what comes after `attempt`, `waitMs` after the delivery before it. */
interface Delivery {
  attempt: number;
  waitMs: number;
}

/** A job that never ends, under a ledger that begins each attempt once, as resume_run does. */
function endlessRun() {
  let run = aRun({ status: 'continued' });
  let nowMs = startMs;
  const begun = [1];
  return {
    begun,
    /** Returns the attempts that are asked to be continued. */
    async deliver({ attempt, waitMs }: Delivery): Promise<number[]> {
      nowMs += waitMs;
      const starts = run.attempt === attempt;
      if (starts) {
        run = aRun({ status: 'continued', attempt: attempt + 1, finishedAt: isoTime(nowMs) });
        begun.push(run.attempt);
      }
      const outcome = starts ? 'started' : 'duplicate';
      const resume = { runId: run.id, attempt };
      const { published } = await tell({ outcome, run, resume, nowMs });
      return published
        .filter(({ type }) => type === continueType)
        .map(({ detail }) => detail.attempt);
    },
  };
}

describe('a job that never ends, on a bus that delivers', () => {
  const ends = (begun: number[]) =>
    expect(begun).toEqual(Array.from({ length: maxAttempts }, (_, n) => n + 1));

  it('each event many times at once and in any order, is begun 40 times and asked for as often', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.infiniteStream(fc.nat()),
        fc.integer({ min: 1, max: 4 }),
        async (choices, copies) => {
          const { begun, deliver } = endlessRun();
          const queue = Array<number>(copies).fill(1);
          let asked = 1;
          for (const choice of choices) {
            if (queue.length === 0) break;
            const [attempt = 0] = queue.splice(choice % queue.length, 1);
            const asks = await deliver({ attempt, waitMs: 0 });
            asked += asks.length;
            for (const each of asks) queue.push(...Array<number>(copies).fill(each));
          }
          ends(begun);
          expect(asked).toBe(maxAttempts - 1);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('some again whenever it likes, ends: an extra delivery makes one more event of each attempt at most', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.infiniteStream(fc.nat()),
        fc.array(fc.nat({ max: maxAttempts - 1 }), { maxLength: 12 }),
        async (choices, extras) => {
          const { begun, deliver } = endlessRun();
          const queue = [1, ...extras];
          let asked = 1;
          for (const choice of choices) {
            if (queue.length === 0) break;
            const [attempt = 0] = queue.splice(choice % queue.length, 1);
            const asks = await deliver({ attempt, waitMs: 60_000 });
            asked += asks.length;
            queue.push(...asks);
          }
          ends(begun);
          expect(asked).toBeLessThan(maxAttempts * (extras.length + 1));
        },
      ),
      { numRuns: 50 },
    );
  });
});
