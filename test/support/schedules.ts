import { Cron } from 'croner';

const unitSeconds: Record<string, number> = { minute: 60, hour: 3_600, day: 86_400 };

/** Four years of days, a leap year among them. */
const firings = 1_500;

/** The longest time between two firings of a schedule of EventBridge. */
export function longestGapSeconds(expression: string, timezone = 'UTC'): number {
  const [, count, unit] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression) ?? [];
  if (count && unit) return Number(count) * (unitSeconds[unit] ?? 0);
  const times = new Cron(cronPattern(expression), { timezone })
    .nextRuns(firings, '2027-01-01T00:00:00')
    .map((time) => time.getTime() / 1_000);
  return Math.max(...times.slice(1).map((time, n) => time - (times[n] ?? time)));
}

/** AWS has six fields, '?' for a day that does not matter, and counts the days of the week from SUN = 1. */
export function cronPattern(expression: string): string {
  const fields = /^cron\((.+)\)$/.exec(expression)?.[1]?.split(' ') ?? [];
  const [minutes, hours, days, months, weekdays = '', years] = fields;
  if (fields.length !== 6 || years !== '*') throw new Error(`Not a yearly cron: ${expression}`);
  const fromZero = weekdays.replace(/(?<![#/\d])\d+/g, (day) => String(Number(day) - 1));
  return [minutes, hours, days, months, fromZero].join(' ').replaceAll('?', '*');
}
