import { leftOutAfterMs } from '../../cli/schedules.ts';
import { utc } from '../../cli/ui.ts';
import { firstAfterMs, type Schedule } from '../../functions/_shared/aws-schedule.ts';
import type { Clock } from '../../functions/_shared/clock.ts';

/** A schedule as osls has it after its parameters are filled in. */
export interface Planned extends Schedule {
  job: string;
  /** The parameter that sets it. */
  parameter: string;
}

/**
 * Schedules of which AWS leaves a time out when summer time begins: the job then misses that night. The last line is what to
 * set instead.
 */
export function refusedTimes(schedules: readonly Planned[], clock: Clock): string[] {
  const refused = schedules.flatMap((schedule) => {
    const leftOutMs = leftOutAfterMs(schedule, clock.nowMs());
    if (leftOutMs === undefined) return [];
    const { job, expression, timezone } = schedule;
    const day = utc(leftOutMs).slice(0, 10);
    return `${job}: ${expression} in ${timezone} names a time that there is not on ${day}, when clocks are put forward: EventBridge Scheduler skips it`;
  });
  if (refused.length === 0) return [];
  const moved = laterNight(schedules, clock).map(
    ({ parameter, expression }) => `  ${parameter}: ${expression}`,
  );
  const fix =
    moved.length > 0
      ? `Write under params in serverless.yml, for the stage or for all:\n${moved.join('\n')}\nOr leave schedule-timezone at UTC`
      : 'Choose other hours, or leave schedule-timezone at UTC';
  return [...refused, fix];
}

/** The same night some hours later, in the same order, at times that there are on every day; nothing where there are none. */
function laterNight(schedules: readonly Planned[], clock: Clock): Planned[] {
  const daily = schedules.filter(({ expression }) => hourOf.test(expression));
  const latest = Math.max(...daily.map(({ expression }) => Number(hourOf.exec(expression)?.[2])));
  for (let hours = 1; latest + hours < 24; hours += 1) {
    const moved = daily.map((schedule) => ({
      ...schedule,
      expression: schedule.expression.replace(
        hourOf,
        (_, minutes, hour) => `cron(${minutes} ${Number(hour) + hours} `,
      ),
    }));
    if (moved.every((schedule) => leftOutAfterMs(schedule, clock.nowMs()) === undefined)) {
      return moved;
    }
  }
  return [];
}

/** Of an expression that fires in one hour of the day. */
const hourOf = /^cron\((\S+) (\d+) /;

/** Makes partitions, then deletes, then refreshes the views of what is left, then vacuums after all of them. */
const order = ['partition-maintenance', 'retention-purge', 'view-refresh', 'table-vacuum'];

/** Warns of a night that is not in the order for which its jobs are made. */
export function oddOrder(schedules: readonly Planned[], clock: Clock): string[] {
  const nightly = order.flatMap((job) => schedules.filter((each) => each.job === job));
  const times = nightly.flatMap((schedule) => {
    const dueMs = firstAfterMs(schedule, clock.nowMs());
    return dueMs === undefined ? [] : [{ ...schedule, time: timeOfDay(dueMs, schedule.timezone) }];
  });
  return times.slice(1).flatMap((later, n) => {
    const earlier = times[n];
    if (!earlier || earlier.time <= later.time) return [];
    return `${later.job} runs at ${later.time}, before ${earlier.job} at ${earlier.time} (${later.timezone}): it goes by what the night before left`;
  });
}

function timeOfDay(ms: number, timeZone: string): string {
  return new Intl.DateTimeFormat('sv', { timeStyle: 'short', timeZone }).format(ms);
}
