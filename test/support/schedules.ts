import { cronOf } from '../../functions/_shared/aws-schedule.ts';

const unitSeconds: Record<string, number> = { minute: 60, hour: 3_600, day: 86_400 };

/** Four years of days, a leap year among them. */
const firings = 1_500;

/** The longest time between two firings of a schedule of EventBridge. */
export function longestGapSeconds(expression: string, timezone = 'UTC'): number {
  const [, count, unit] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression) ?? [];
  if (count && unit) return Number(count) * (unitSeconds[unit] ?? 0);
  const cron = cronOf({ expression, timezone });
  const times = cron
    .nextRuns(firings, '2027-01-01T00:00:00')
    // A time that summer time leaves out is skipped.
    .filter((time) => cron.match(time))
    .map((time) => time.getTime() / 1_000);
  return Math.max(...times.slice(1).map((time, n) => time - (times[n] ?? time)));
}
