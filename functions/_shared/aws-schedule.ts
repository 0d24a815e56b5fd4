import { Cron } from 'croner';
import * as z from 'zod';
import { isoTime } from './clock.ts';
import { NightshiftError } from './errors.ts';
import { parseJson } from './parse-json.ts';

/** As EventBridge Scheduler has them. */
export interface Schedule {
  expression: string;
  timezone: string;
}

const minuteMs = 60_000;
const unitMs: Record<string, number> = {
  minute: minuteMs,
  hour: 60 * minuteMs,
  day: 1440 * minuteMs,
};

/** A rate counts from `afterMs`. */
export function firstAfterMs(schedule: Schedule, afterMs: number): number | undefined {
  const every = /^rate\(([1-9]\d*) (minute|hour|day)s?\)$/.exec(schedule.expression);
  if (every) return afterMs + Number(every[1]) * (unitMs[every[2] ?? ''] ?? 0);
  const cron = cronOf(schedule);
  let next = cron.nextRun(isoTime(afterMs));
  // A time that summer time leaves out is skipped on AWS, and moved on by croner.
  while (next && !cron.match(next)) next = cron.nextRun(next);
  return next?.getTime();
}

/**
 * The one reader of cron expressions as EventBridge Scheduler has them: six fields with the year, '?' for a day that does
 * not matter, days of the week from SUN = 1, L for the last.
 */
export function cronOf({ expression, timezone }: Schedule): Cron {
  const fields = /^cron\(([^()]+)\)$/.exec(expression)?.[1]?.trim().split(/\s+/) ?? [];
  const [minutes, hours, days, months, weekdays, years] = fields;
  try {
    // It throws for a time zone that there is not, which croner does later.
    new Intl.DateTimeFormat('en', { timeZone: timezone });
    if (fields.length !== 6) throw new Error('it has six fields: cron(0 2 * * ? *)');
    if ((days === '?') === (weekdays === '?')) {
      throw new Error('? stands for the day of the month or for the day of the week');
    }
    const lastDay = weekdays === 'L' ? 'SAT' : weekdays;
    const pattern = ['0', minutes, hours, days, months, lastDay, years].join(' ');
    return new Cron(pattern.replaceAll('?', '*'), {
      mode: '7-part',
      alternativeWeekdays: true,
      sloppyRanges: true,
      timezone,
    });
  } catch (thrown) {
    throw new NightshiftError('NS422', `No schedule of EventBridge: ${expression} in ${timezone}`, {
      detail: thrown instanceof Error ? thrown.message : String(thrown),
      hint: 'Write cron(<minutes> <hours> <day of month> <month> <day of week> <year>) with ? for one of the days, or rate(5 minutes), and a time zone like Europe/Berlin.',
    });
  }
}

const deployedSchedules = z.array(
  z.object({
    job: z.string(),
    expression: z.string(),
    timezone: z.string(),
    /** The parameters that switch off the job, and the schedules of all. */
    switches: z.array(z.string()),
  }),
);

export interface DeployedSchedule extends Schedule {
  job: string;
}

/** What the deployment says of its schedules, as JSON; those that are switched off are left out. */
export function readDeployedSchedules(text: string, context: z.RefinementCtx): DeployedSchedule[] {
  const parsed = deployedSchedules.safeParse(parseJson(text));
  if (parsed.success) return parsed.data.filter(({ switches }) => !switches.includes('off'));
  context.addIssue({ code: 'custom', message: 'no list of schedules' });
  return z.NEVER;
}
