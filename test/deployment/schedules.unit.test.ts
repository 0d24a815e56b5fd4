import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  leftOutAfterMs,
  nextDueMs,
  paramsIn,
  readSchedules,
  schedulesOf,
} from '../../cli/schedules.ts';
import { utc } from '../../cli/ui.ts';
import { firstAfterMs } from '../../functions/_shared/aws-schedule.ts';
import { timeMs } from '../../functions/_shared/clock.ts';
import { jobNames } from '../../functions/registry.ts';

const at = (time: string) => timeMs(`${time}Z`);

/** Sunday, the first of March, in the last hour of its day in Berlin. */
const sunday = '2026-03-01T22:30:00';

describe('the next time of a schedule', () => {
  it.each([
    ['every few minutes', 'rate(5 minutes)', 'UTC', '2026-03-01 22:35:00'],
    ['every hour', 'rate(1 hour)', 'UTC', '2026-03-01 23:30:00'],
    ['every week, by rate', 'rate(7 days)', 'UTC', '2026-03-08 22:30:00'],
    ['every night', 'cron(30 1 * * ? *)', 'UTC', '2026-03-02 01:30:00'],
    ['every night elsewhere', 'cron(30 1 * * ? *)', 'Europe/Berlin', '2026-03-02 00:30:00'],
    [
      'on Sundays, which are the first day there',
      'cron(0 3 ? * 1 *)',
      'UTC',
      '2026-03-08 03:00:00',
    ],
    ['on working days', 'cron(0 3 ? * 2-6 *)', 'UTC', '2026-03-02 03:00:00'],
    ['on days by name', 'cron(0 3 ? * SAT,SUN *)', 'UTC', '2026-03-07 03:00:00'],
    ['on the second Tuesday', 'cron(0 3 ? * 3#2 *)', 'UTC', '2026-03-10 03:00:00'],
    ['on the first of the month', 'cron(0 3 1 * ? *)', 'UTC', '2026-04-01 03:00:00'],
    ['on the last of the month', 'cron(0 3 L * ? *)', 'UTC', '2026-03-31 03:00:00'],
    ['on the working day next to a Sunday', 'cron(0 3 15W * ? *)', 'UTC', '2026-03-16 03:00:00'],
    ['on the last Friday', 'cron(0 3 ? * 6L *)', 'UTC', '2026-03-27 03:00:00'],
    ['on the last day of the week', 'cron(0 3 ? * L *)', 'UTC', '2026-03-07 03:00:00'],
    ['in a year', 'cron(0 3 1 1 ? 2028)', 'UTC', '2028-01-01 03:00:00'],
    ['ten minutes apart', 'cron(0/10 * * * ? *)', 'UTC', '2026-03-01 22:40:00'],
  ])('%s', (_, expression, timezone, expected) => {
    expect(utc(firstAfterMs({ expression, timezone }, at(sunday)) ?? 0)).toBe(expected);
  });

  it('is none when its years are over', () => {
    const past = { expression: 'cron(0 3 1 1 ? 2025)', timezone: 'UTC' };
    expect(firstAfterMs(past, at(sunday))).toBeUndefined();
  });

  it.each([
    ['cron(0 3 * * *)', 'UTC'],
    ['cron(0 3 * * * *)', 'UTC'],
    ['cron(0 25 * * ? *)', 'UTC'],
    ['rate(0 minutes)', 'UTC'],
    ['every night', 'UTC'],
    ['cron(0 3 * * ? *)', 'Europe/Nowhere'],
  ])('is a refusal that says how to write %s in %s', (expression, timezone) => {
    expect(() => firstAfterMs({ expression, timezone }, at(sunday))).toThrowError(
      expect.objectContaining({ code: 'NS422', hint: expect.stringContaining('rate(5 minutes)') }),
    );
  });

  it.each([
    ['cron(30 2 * * ? *)', 'Europe/Berlin', '2026-03-29 01:00:00'],
    ['cron(0 2 * * ? *)', 'America/New_York', '2026-03-08 07:00:00'],
    ['cron(0 0 * * ? *)', 'America/Santiago', '2026-09-06 04:00:00'],
    ['cron(30 1 * * ? *)', 'Europe/Berlin', undefined],
    ['cron(0/5 * * * ? *)', 'Europe/Berlin', undefined],
    ['cron(30 2 * * ? *)', 'UTC', undefined],
    ['rate(1 day)', 'Europe/Berlin', undefined],
  ])('%s in %s is left out when summer time begins: %s', (expression, timezone, expected) => {
    const leftOut = leftOutAfterMs({ expression, timezone }, at(sunday));
    expect(leftOut === undefined ? undefined : utc(leftOut)).toBe(expected);
  });

  it('is known of every job, but for the one that waits for a direct connection', () => {
    expect(readSchedules('table-vacuum', 'prod')).toEqual([]);
    for (const job of jobNames.filter((name) => name !== 'table-vacuum')) {
      expect(readSchedules(job, 'prod').length, job).toBeGreaterThan(0);
      expect(nextDueMs(job, at(sunday), 'prod'), job).toBeGreaterThan(at(sunday));
    }
  });

  it('is the earlier one of a job with two', () => {
    expect(utc(nextDueMs('health-check', at(sunday), 'prod') ?? 0)).toBe('2026-03-01 22:35:00');
  });
});

describe('the schedules of a stage', () => {
  const service = `
params:
  default: { schedules: "on", nightly: cron(0 2 * * ? *), schedule-timezone: UTC }
  prod: { nightly: cron(0 4 * * ? *), schedule-timezone: Europe/Berlin }
resources: !Ref Whatever
`;
  const nightly = { parameter: 'nightly', input: {} };
  const job = { name: 'any', schedules: [{ parameter: 'nightly' }] };

  it('are those of its own params, else the default ones', () => {
    expect(schedulesOf(job, paramsIn(service, 'prod'))).toEqual([
      { ...nightly, expression: 'cron(0 4 * * ? *)', timezone: 'Europe/Berlin' },
    ]);
    expect(schedulesOf(job, paramsIn(service, 'dev'))).toEqual([
      { ...nightly, expression: 'cron(0 2 * * ? *)', timezone: 'UTC' },
    ]);
  });

  it('have that of the vacuum where there is a direct connection', () => {
    const params = paramsIn('params: {default: {direct: "off"}, prod: {direct: "on"}}', 'prod');
    expect(params['table-vacuum']).toBe('on');
  });

  it('and all other params are in docs/deploy.md, with what they are', () => {
    const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
    const [table = ''] = read('docs/deploy.md').split('## What is created');
    const rows = table.matchAll(/^\| ([a-z-]+(?:, [a-z-]+)*) \| ([^|]+) \|/gm);
    const documented = [...rows].flatMap(([, names = '', value]) =>
      names.split(', ').map((name) => [name, value === 'none' ? '' : value]),
    );
    expect(Object.fromEntries(documented)).toEqual(paramsIn(read('serverless.yml'), 'any'));
  });
});
