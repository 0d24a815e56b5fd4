import { firstAfterMs, leftOutAfterMs, type Schedule } from '../../cli/schedules.ts';
import { utc } from '../../cli/ui.ts';
import type { Clock } from '../../functions/_shared/clock.ts';

/** A schedule as osls has it after its parameters are filled in. */
export interface Planned extends Schedule {
  job: string;
}

/** Schedules of which AWS leaves a time out when summer time begins: the job then misses that night. */
export function refusedTimes(schedules: readonly Planned[], clock: Clock): string[] {
  return schedules.flatMap((schedule) => {
    const leftOutMs = leftOutAfterMs(schedule, clock.nowMs());
    if (leftOutMs === undefined) return [];
    const { job, expression, timezone } = schedule;
    const day = utc(leftOutMs).slice(0, 10);
    return `${job}: ${expression} in ${timezone} names a time that there is not on ${day}, when clocks are put forward: EventBridge Scheduler skips it. Choose another hour, or UTC`;
  });
}

/** Makes partitions, then deletes, then refreshes the views of what is left. */
const order = ['partition-maintenance', 'retention-purge', 'view-refresh'];

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
