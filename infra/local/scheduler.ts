import type { JobSchedule } from '../../cli/schedules.ts';
import { firstAfterMs } from '../../functions/_shared/aws-schedule.ts';
import { type Clock, isoTime } from '../../functions/_shared/clock.ts';

/** The longest that a timer can wait. */
const longestMs = 2 ** 31 - 1;

/** What EventBridge Scheduler sends, with the placeholders filled in. */
export interface ScheduledEvent {
  scheduleArn: string;
  scheduledTime: string;
  input: object;
}

/**
 * Fires a schedule at the times at which AWS would. serverless-offline has a reader of its own, which takes the days of
 * the week for a day later, knows no W and no year, and goes by the time zone of the machine.
 */
export function fireOnSchedule(
  schedule: JobSchedule,
  clock: Clock,
  fire: (event: ScheduledEvent) => void,
): void {
  const arm = (dueMs: number | undefined) => {
    if (dueMs === undefined) return;
    const wait = Math.min(dueMs - clock.nowMs(), longestMs);
    const due = () => {
      if (clock.nowMs() < dueMs) return arm(dueMs);
      fire({
        scheduleArn: `local:schedule/${schedule.parameter}`,
        scheduledTime: isoTime(dueMs),
        input: schedule.input,
      });
      // What a machine that slept has missed is not made up for.
      arm(firstAfterMs(schedule, Math.max(dueMs, clock.nowMs() - 1)));
    };
    setTimeout(due, wait).unref();
  };
  arm(firstAfterMs(schedule, clock.nowMs()));
}
