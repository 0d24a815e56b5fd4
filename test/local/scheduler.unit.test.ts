import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { systemClock, timeMs } from '../../functions/_shared/clock.ts';
import { fireOnSchedule, type ScheduledEvent } from '../../infra/local/scheduler.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const day = 86_400_000;

/** The times at which a schedule fires within so many days from midnight. */
function firings(expression: string, from: string, days: number, timezone = 'UTC'): string[] {
  vi.setSystemTime(timeMs(`${from}T00:00:00Z`));
  const fired: ScheduledEvent[] = [];
  const schedule = { parameter: 'schedule-any', input: {}, expression, timezone };
  fireOnSchedule(schedule, systemClock, (event) => fired.push(event));
  vi.advanceTimersByTime(days * day);
  return fired.map(({ scheduledTime }) => scheduledTime.slice(0, 16));
}

it.each<[string, string, string, number, string, string[]]>([
  // The first of January 2027 is a Friday.
  [
    'on Fridays',
    'cron(0 12 ? * 6 *)',
    '2027-01-01',
    8,
    'UTC',
    ['2027-01-01T12:00', '2027-01-08T12:00'],
  ],
  [
    'on the working day next to the 15th',
    'cron(0 3 15W * ? *)',
    '2027-05-01',
    31,
    'UTC',
    ['2027-05-14T03:00'],
  ],
  ['in its time zone', 'cron(0 3 * * ? *)', '2027-07-01', 1, 'Europe/Berlin', ['2027-07-01T01:00']],
  ['in its years', 'cron(0 3 1 1 ? 2028)', '2027-01-01', 400, 'UTC', ['2028-01-01T03:00']],
  ['no more when its years are over', 'cron(0 3 1 1 ? 2026)', '2027-01-01', 400, 'UTC', []],
  [
    'not at a time that summer time leaves out',
    'cron(30 2 * * ? *)',
    '2027-03-27',
    2.5,
    'Europe/Berlin',
    ['2027-03-27T01:30', '2027-03-29T00:30'],
  ],
  [
    'once where clocks are put back',
    'cron(30 2 * * ? *)',
    '2027-10-31',
    1,
    'Europe/Berlin',
    ['2027-10-31T00:30'],
  ],
  ['by a rate', 'rate(12 hours)', '2027-01-01', 1, 'UTC', ['2027-01-01T12:00', '2027-01-02T00:00']],
])('a schedule fires %s', (_, expression, from, days, timezone, expected) => {
  expect(firings(expression, from, days, timezone)).toEqual(expected);
});

it('says by which schedule and for which time, as AWS does', () => {
  vi.setSystemTime(timeMs('2027-01-01T00:00:00Z'));
  const fired: ScheduledEvent[] = [];
  const schedule = {
    parameter: 'schedule-health-check',
    input: { quick: true },
    expression: 'rate(5 minutes)',
    timezone: 'UTC',
  };
  fireOnSchedule(schedule, systemClock, (event) => fired.push(event));
  vi.advanceTimersByTime(5 * 60_000);
  expect(fired).toEqual([
    {
      scheduleArn: 'local:schedule/schedule-health-check',
      scheduledTime: '2027-01-01T00:05:00.000Z',
      input: { quick: true },
    },
  ]);
});
