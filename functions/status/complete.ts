import { Cron } from 'croner';
import cronstrue from 'cronstrue';
import { isoTime, timeMs } from '../_shared/clock.ts';
import type { Status, StatusJob, StoredStatus } from './schema.ts';

/** Says what the database cannot know when it stores a snapshot: when schedules are due next, and that nobody looks any more. */
export function completeStatus(stored: StoredStatus, projectUrl?: string): Status {
  const { jobs } = stored;
  return {
    ...stored,
    projectUrl: stored.projectUrl ?? projectUrl ?? null,
    headline: headlineOf(stored),
    jobs: { ...jobs, items: jobs.items.map((job) => withSchedules(job, stored.readAt)) },
  };
}

/** Of a snapshot that nobody renews, the best that can be said is that it was so. */
function headlineOf({
  headline,
  isOld,
  takenAt,
  database,
}: Pick<StoredStatus, 'headline' | 'isOld' | 'takenAt' | 'database'>): Status['headline'] {
  const { name, readOnly } = database;
  if (readOnly) {
    const text = `Nothing can be written to the database ${name}, so no run can begin. All else is as it was when the snapshot was taken.`;
    return { level: 'critical', text, since: null };
  }
  if (isOld) {
    const text = 'No health check has looked for too long. All else is as it was then.';
    return { level: 'critical', text, since: takenAt };
  }
  return headline;
}

function withSchedules(job: StoredStatus['jobs']['items'][number], readAt: string): StatusJob {
  const schedules = job.schedules.map((schedule) => ({
    ...schedule,
    words: inWords(schedule.cron),
    nextDueAt: nextDueAt(schedule, readAt),
  }));
  const times = schedules.flatMap(({ nextDueAt }) => nextDueAt ?? []);
  return { ...job, schedules, nextDueAt: times.toSorted()[0] ?? null };
}

/** What pg_cron reads and this library does not, such as `30 seconds`, is understood as it is. */
function inWords(cron: string): string {
  try {
    return cronstrue.toString(cron, { use24HourTimeFormat: true });
  } catch {
    return cron;
  }
}

/** Null for what pg_cron reads and croner does not, such as `30 seconds`. */
function nextDueAt(
  { cron, timeZone }: { cron: string; timeZone: string },
  readAt: string,
): string | null {
  try {
    // pg_cron takes either day that matches, as croner does unless told otherwise.
    const next = new Cron(cron, { mode: '5-part', timezone: timeZone }).nextRun(
      isoTime(timeMs(readAt)),
    );
    return next ? next.toISOString() : null;
  } catch {
    return null;
  }
}
