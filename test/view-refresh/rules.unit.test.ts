import { describe, expect, it } from 'vitest';
import { cancelledByHand, NightshiftError } from '../../functions/_shared/errors.ts';
import { criticalPathsMs, planRefresh, type Scope } from '../../functions/view-refresh/plan.ts';
import { reportOf, stepOfPlan } from '../../functions/view-refresh/report.ts';
import {
  apiLimitMs,
  chooseTransport,
  directTimeoutMs,
  otherTransport,
  refreshFits,
  repeatRefresh,
  runStatus,
} from '../../functions/view-refresh/rules.ts';
import type { RefreshStep, ViewFacts } from '../../functions/view-refresh/schema.ts';

function facts(view: string, over: Partial<ViewFacts> = {}): ViewFacts {
  return {
    view,
    enabled: true,
    reason: 'unchanged',
    detail: `about ${view}`,
    maxStaleness: '26:00:00',
    maxStalenessSeconds: 26 * 3600,
    stalenessSeconds: 60,
    lastRefreshedAt: null,
    lastRefreshMs: null,
    dependsOn: [],
    warnings: [],
    mode: 'concurrently',
    selected: false,
    timedOut: false,
    timedOutInRun: false,
    refreshed: null,
    ...over,
  };
}

function plan(views: ViewFacts[], scope: Partial<Scope> = {}) {
  const everything = { only: false, ancestors: false, descendants: false, force: false };
  return planRefresh(views, { ...everything, nextRunSeconds: null, ...scope });
}

const short = (planned: ReturnType<typeof plan>) =>
  planned.map(({ facts, action, reason }) => `${facts.view} ${action} ${reason}`);

/** a is read by b and c, both of which d reads. */
const diamond = (over: Record<string, Partial<ViewFacts>> = {}) => [
  facts('d', { dependsOn: ['b', 'c'], ...over.d }),
  facts('c', { dependsOn: ['a'], ...over.c }),
  facts('b', { dependsOn: ['a'], ...over.b }),
  facts('a', over.a),
];

describe('the plan', () => {
  it('has each view once, after all that it reads, with its level', () => {
    const planned = plan(diamond());
    expect(planned.map(({ facts, level }) => `${facts.view}${level}`)).toEqual([
      'a0',
      'b1',
      'c1',
      'd2',
    ]);
  });

  it('leaves alone what has not changed', () => {
    expect(short(plan(diamond()))).toEqual([
      'a skip unchanged',
      'b skip unchanged',
      'c skip unchanged',
      'd skip unchanged',
    ]);
  });

  it('refreshes what is due and all that reads it', () => {
    expect(short(plan(diamond({ b: { reason: 'changed' } })))).toEqual([
      'a skip unchanged',
      'b refresh changed',
      'c skip unchanged',
      'd refresh upstream',
    ]);
    expect(short(plan(diamond({ a: { reason: 'stale' } })))).toEqual([
      'a refresh stale',
      'b refresh upstream',
      'c refresh upstream',
      'd refresh upstream',
    ]);
  });

  it('holds back whatever reads a view that cannot be refreshed, and nothing else', () => {
    expect(
      short(
        plan(diamond({ b: { reason: 'changed', problem: 'no index' }, c: { reason: 'never' } })),
      ),
    ).toEqual(['a skip unchanged', 'b fail changed', 'c refresh never', 'd blocked blocked']);
    expect(short(plan(diamond({ a: { reason: 'gone' } })))).toEqual([
      'a fail gone',
      'b blocked blocked',
      'c blocked blocked',
      'd blocked blocked',
    ]);
  });

  it('does not try again in a run what ran out of time in it', () => {
    const [step] = plan([facts('a', { reason: 'changed', timedOutInRun: true })]).map(stepOfPlan);
    expect(step).toMatchObject({ status: 'failed', error: { code: '57014' } });
  });

  it('does not mind a problem with a view that needs no refresh', () => {
    expect(short(plan([facts('a', { problem: 'no index' })]))).toEqual(['a skip unchanged']);
  });

  it('leaves out what is switched off, and what is not asked for', () => {
    expect(short(plan(diamond({ b: { enabled: false } })))).toEqual([
      'a skip unchanged',
      'c skip unchanged',
      'd skip unchanged',
    ]);
    const only = { only: true };
    const named = { b: { selected: true, reason: 'changed' as const } };
    expect(short(plan(diamond(named), only))).toEqual(['b refresh changed']);
    const behind = plan(diamond({ a: { reason: 'changed' }, b: { selected: true } }), only);
    expect(behind[0]?.detail).toMatch(
      /^about b; but a, which it reads, has to be: POST \/jobs\/view-refresh\/runs with \{"only":\["b"\],"ancestors":true\}$/,
    );
    expect(short(plan(diamond(named), { ...only, ancestors: true }))).toEqual([
      'a skip unchanged',
      'b refresh changed',
    ]);
    expect(short(plan(diamond(named), { ...only, descendants: true }))).toEqual([
      'b refresh changed',
      'd refresh upstream',
    ]);
  });

  it('refreshes unchanged views when forced to', () => {
    expect(short(plan([facts('a'), facts('b', { reason: 'recent' })], { force: true }))).toEqual([
      'a refresh forced',
      'b refresh forced',
    ]);
  });

  it('of a schedule leaves a change alone when the next run will be in time as well', () => {
    const hour = 3600;
    const aged = (stalenessSeconds: number) => ({ reason: 'changed' as const, stalenessSeconds });
    const nightly = { nextRunSeconds: 24 * hour };
    expect(short(plan([facts('a', aged(2 * hour - 1))], nightly))).toEqual(['a skip fresh']);
    expect(short(plan([facts('a', aged(2 * hour))], nightly))).toEqual(['a refresh changed']);
    expect(short(plan([facts('a', aged(25 * hour))], { nextRunSeconds: 600 }))).toEqual([
      'a skip fresh',
    ]);
    expect(short(plan([facts('a', aged(0))]))).toEqual(['a refresh changed']);
    expect(short(plan([facts('a', { ...aged(0), reason: 'never' })], nightly))).toEqual([
      'a refresh never',
    ]);
    const below = diamond({ a: aged(3 * hour), b: aged(hour) });
    expect(short(plan(below, nightly))).toContain('b refresh changed');
    const week = { maxStalenessSeconds: 7 * 24 * hour };
    const read = diamond({
      a: { ...aged(48 * hour), ...week },
      b: { ...week, stalenessSeconds: 48 * hour },
      c: { stalenessSeconds: 20 * hour },
    });
    expect(short(plan(read, nightly))[0]).toBe('a refresh changed');
  });

  it('of a resumed run keeps what an earlier attempt refreshed, and goes on below it', () => {
    const refreshed = {
      outcome: 'refreshed' as const,
      reason: 'changed' as const,
      detail: 'changed',
      mode: 'concurrently' as const,
      startedAt: '2026-01-01T00:00:00Z',
      durationMs: 5,
      rows: 1,
      sizeBytes: 8192,
      deadRows: 0,
    };
    expect(short(plan(diamond({ a: { refreshed, reason: 'recent' } })))).toEqual([
      'a done changed',
      'b refresh upstream',
      'c refresh upstream',
      'd refresh upstream',
    ]);
  });
});

describe('the longest way', () => {
  it('goes through all that reads a view', () => {
    const planned = plan(
      diamond({
        a: { usualMs: 10 },
        b: { usualMs: 100 },
        c: { usualMs: 1 },
        d: { usualMs: null },
      }),
    );
    expect([...criticalPathsMs(planned)].sort()).toEqual([
      ['a', 110],
      ['b', 100],
      ['c', 1],
      ['d', 0],
    ]);
  });

  it('leads at last to what ran out of time before', () => {
    const planned = plan([facts('a', { usualMs: 900_000, timedOut: true }), facts('b')]);
    expect([...criticalPathsMs(planned)].sort()).toEqual([
      ['a', -1],
      ['b', 0],
    ]);
  });

  it('is found at once however many ways there are', () => {
    const layers = Array.from({ length: 40 }, (_, n) => [`${n}a`, `${n}b`]);
    const views = layers.flatMap((layer, n) =>
      layer.map((view) => facts(view, { dependsOn: layers[n - 1] ?? [], usualMs: 1 })),
    );
    expect(criticalPathsMs(plan(views)).get('0a')).toBe(40);
  });
});

describe('the way of a refresh', () => {
  it('is the direct connection for more than half of what the API allows, where there is one', () => {
    expect(chooseTransport(apiLimitMs / 2, true)).toBe('api');
    expect(chooseTransport(apiLimitMs / 2 + 1, true)).toBe('direct');
    expect(chooseTransport(apiLimitMs, false)).toBe('api');
    expect(chooseTransport(null, true)).toBe('api');
  });

  it('is another when the API was too short, or the connection is not to be had', () => {
    const error = (code: string, detail?: string) => new NightshiftError(code, '', { detail });
    expect(otherTransport(error('57014'), 'api', null)).toBe('direct');
    expect(otherTransport(error('57014', cancelledByHand), 'api', null)).toBeUndefined();
    expect(otherTransport(error('NS422'), 'api', null)).toBeUndefined();
    expect(otherTransport(error('57014'), 'direct', null)).toBeUndefined();
    expect(otherTransport(error('NS502'), 'direct', apiLimitMs - 1)).toBe('api');
    expect(otherTransport(error('NS502'), 'direct', apiLimitMs)).toBeUndefined();
  });

  it('gives a direct refresh what is left of the run, within what Postgres can count', () => {
    expect(directTimeoutMs(60_000)).toBe(59_000);
    expect(directTimeoutMs(Number.POSITIVE_INFINITY)).toBeLessThan(2 ** 31);
    expect(directTimeoutMs(-5)).toBeGreaterThan(0);
  });

  it('begins only what would be done in time', () => {
    const http = (remainingMs: number) => ({ remainingMs, budgetMs: 25_000 });
    expect(refreshFits(http(16_001), 10_000)).toBe(true);
    expect(refreshFits(http(16_000), 10_000)).toBe(false);
    expect(refreshFits(http(25_000), 20_000)).toBe(false);
    expect(refreshFits(http(2_000), null)).toBe(true);
    expect(refreshFits(http(1_000), null)).toBe(false);
    const long = (remainingMs: number) => ({ remainingMs, budgetMs: 898_000 });
    expect(refreshFits(long(51_001), null)).toBe(true);
    expect(refreshFits(long(51_000), null)).toBe(false);
  });

  it('gives anything a try at the beginning of a long budget', () => {
    const budgetMs = 898_000;
    expect(refreshFits({ remainingMs: budgetMs, budgetMs }, 890_000)).toBe(true);
    expect(refreshFits({ remainingMs: 450_001, budgetMs }, 890_000)).toBe(true);
    expect(refreshFits({ remainingMs: 450_000, budgetMs }, 890_000)).toBe(false);
  });

  it('is tried again while others are in the way, a few times, and never after a timeout', () => {
    const error = (code: string) => new NightshiftError(code, '');
    for (const code of ['55P03', 'NS425', '40001']) {
      expect(repeatRefresh(error(code), 3)).toBe(true);
      expect(repeatRefresh(error(code), 4)).toBe(false);
    }
    expect(repeatRefresh(error('57014'), 1)).toBe(false);
    expect(repeatRefresh(error('40P01'), 6)).toBe(true);
    expect(repeatRefresh(error('53100'), 1)).toBe(false);
  });
});

describe('a run', () => {
  const step = (status: RefreshStep['status']): RefreshStep => ({
    view: 'a',
    status,
    reason: 'changed',
    detail: '',
    fixes: [],
    warnings: [],
    notices: [],
  });
  const scope = { dryRun: false, hasDirect: true, only: false };

  it.each<[RefreshStep['status'], Partial<RefreshStep>, number]>([
    ['failed', { error: { code: 'XX000', message: 'refresh_view failed' } }, 1],
    ['failed', { error: { code: 'NS422', message: 'no', hint: 'Mend it.' } }, 0],
    ['blocked', { reason: 'blocked' }, 1],
    ['blocked', { reason: 'busy' }, 1],
    ['waiting', {}, 1],
    ['refreshed', {}, 0],
    ['skipped', {}, 0],
    ['due', {}, 0],
  ])('says of a view that is %s what to do, when an error does not: %o', (status, given, fixes) => {
    const { steps } = reportOf([{ ...step(status), ...given }], [], scope);
    expect(steps[0]?.fixes).toHaveLength(fixes);
  });

  const first = { progressed: false, attempt: 1, stopped: false };
  const later = { ...first, attempt: 2 };

  it('is as good as its steps', () => {
    expect(runStatus([], later)).toBe('succeeded');
    expect(runStatus([step('refreshed'), step('skipped'), step('due')], later)).toBe('succeeded');
    expect(runStatus([step('skipped'), step('failed')], later)).toBe('partial');
    expect(runStatus([step('refreshed'), step('blocked')], later)).toBe('partial');
    expect(runStatus([step('failed'), step('blocked')], later)).toBe('failed');
  });

  it('goes on after progress or a first attempt that had too little time, and else not', () => {
    expect(runStatus([step('waiting')], first)).toBe('continued');
    expect(runStatus([step('waiting')], later)).toBe('failed');
    expect(runStatus([step('waiting')], { ...later, progressed: true })).toBe('continued');
    expect(runStatus([step('failed')], { ...later, progressed: true })).toBe('failed');
  });

  it('has not failed with what waits because it was stopped', () => {
    expect(runStatus([step('waiting')], { ...later, stopped: true })).toBe('continued');
    expect(runStatus([step('failed')], { ...later, stopped: true })).toBe('failed');
  });
});
