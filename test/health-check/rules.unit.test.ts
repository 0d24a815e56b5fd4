import { describe, expect, it } from 'vitest';
import { readHealth } from '../../functions/health-check/read.ts';
import { nothingChecked, reportOf } from '../../functions/health-check/report.ts';
import {
  criticalFindings,
  gaugesOf,
  statusWord,
  worstFirst,
  worstOf,
  worstValue,
} from '../../functions/health-check/rules.ts';
import type {
  HealthCheck,
  HealthDocument,
  HealthFinding,
  Level,
} from '../../functions/health-check/schema.ts';

const finding = (level: Level): HealthFinding => ({
  subject: 'a',
  level,
  value: 1,
  detail: null,
  fix: null,
  info: null,
  warning: null,
  critical: null,
});

const check = (level: Level, changes: Partial<HealthCheck> = {}): HealthCheck => ({
  name: level,
  title: 'A check',
  healthy: 'It is well.',
  why: 'It matters.',
  unit: 'count',
  worse: 'higher',
  quick: true,
  off: false,
  info: null,
  warning: null,
  critical: null,
  level,
  value: 1,
  subject: 'a',
  measured: 1,
  findings: level === 'ok' ? [] : [finding(level)],
  findingsTotal: level === 'ok' ? 0 : 1,
  durationMs: 1,
  ...changes,
});

const documentOf = (
  checks: HealthCheck[],
  changes: Partial<HealthDocument> = {},
): HealthDocument => ({
  at: '2026-01-01T00:00:00Z',
  serverVersion: '17.0',
  checks,
  notRun: [],
  jobs: [],
  lastLevels: {},
  ...changes,
});

const all: Level[] = ['ok', 'critical', 'info', 'unknown', 'warning'];

describe('levels', () => {
  it('are worse in the order ok, info, unknown, warning, critical', () => {
    const checks = all.map((level) => check(level));
    expect(worstFirst(checks).map(({ level }) => level)).toEqual([
      'critical',
      'warning',
      'unknown',
      'info',
      'ok',
    ]);
    expect(worstOf(['ok', 'info'])).toBe('info');
    expect(worstOf(['warning', 'unknown'])).toBe('warning');
    expect(worstOf([])).toBe('ok');
  });

  it.each<[Level, string]>([
    ['ok', 'ok'],
    ['info', 'ok'],
    ['unknown', 'warning'],
    ['warning', 'warning'],
    ['critical', 'critical'],
  ])('%s is %s to the outside', (level, word) => {
    expect(statusWord([check('ok'), check(level)], [])).toBe(word);
  });

  it('are not known of what did not run', () => {
    expect(statusWord([check('ok')], ['another'])).toBe('warning');
  });
});

describe('the report', () => {
  it('has what is not ok, worst first, with at most five findings each', () => {
    const many = Array.from({ length: 20 }, () => finding('warning'));
    const checks = [
      check('ok'),
      check('info'),
      check('warning', { findings: many, findingsTotal: 30 }),
    ];
    const report = reportOf(documentOf(checks), { dryRun: false, quick: true });
    expect(report).toMatchObject({
      level: 'warning',
      quick: true,
      counts: { ok: 1, info: 1, warning: 1 },
    });
    expect(report.checks.map(({ name }) => name)).toEqual(['warning', 'info']);
    expect(report.checks[0]?.findings).toHaveLength(5);
    expect(report.checks[0]?.findingsTotal).toBe(30);
  });

  it('is a failure when every check is unknown, and only then', () => {
    expect(nothingChecked([check('unknown'), check('unknown')])?.code).toBe('NS502');
    expect(nothingChecked([check('unknown'), check('ok')])).toBeUndefined();
    expect(nothingChecked([])).toBeUndefined();
  });
});

describe('the gauges', () => {
  it('count a check that did not run as it was last time, and one that did as it is', () => {
    const document = documentOf([check('warning', { name: 'a' }), check('ok', { name: 'b' })], {
      lastLevels: { b: 'critical', c: 'critical', d: 'unknown' },
    });
    expect(gaugesOf(document)).toEqual({ ok: 1, info: 0, unknown: 1, warning: 1, critical: 1 });
  });

  it('count a check for which no time was left as unknown, unless it is known from last time', () => {
    const document = documentOf([check('ok', { name: 'a' })], {
      notRun: ['b', 'c'],
      lastLevels: { c: 'critical' },
    });
    expect(gaugesOf(document)).toEqual({ ok: 1, info: 0, unknown: 1, warning: 0, critical: 1 });
  });

  it('have no value of what could not be measured', () => {
    const checks = [check('unknown', { name: 'a' }), check('warning', { name: 'b', value: 7 })];
    expect(worstValue(checks, 'a')).toBeUndefined();
    expect(worstValue(checks, 'b')).toBe(7);
    expect(worstValue(checks, 'c')).toBeUndefined();
    expect(worstValue([check('ok', { name: 'd', value: null })], 'd')).toBe(0);
  });

  it('count what is critical of a check, and not what is less', () => {
    const findings = [finding('critical'), finding('critical'), finding('warning')];
    const checks = [check('critical', { name: 'a', findings }), check('unknown', { name: 'b' })];
    expect(criticalFindings(checks, 'a')).toBe(2);
    expect(criticalFindings(checks, 'b')).toBeUndefined();
    expect(criticalFindings(checks, 'c')).toBeUndefined();
  });
});

describe('reading', () => {
  it('asks again for what had no time, until it is done or may not go on', async () => {
    const asked: (string[] | undefined)[] = [];
    const names = ['a', 'b', 'c'];
    const call = async ({ only }: { only?: string[] | undefined }) => {
      asked.push(only);
      const [first = '', ...rest] = only ?? names;
      return documentOf([check('ok', { name: first })], { notRun: rest });
    };
    const whole = await readHealth(call, { quick: false });
    expect(whole.checks.map(({ name }) => name)).toEqual(names);
    expect(asked).toEqual([undefined, ['b', 'c'], ['c']]);

    const cut = await readHealth(call, { quick: false }, () => false);
    expect(cut.notRun).toEqual(['b', 'c']);
  });
});
