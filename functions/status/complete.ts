import { Cron } from 'croner';
import cronstrue from 'cronstrue';
import { type DeployedSchedule, firstAfterMs } from '../_shared/aws-schedule.ts';
import { isoTime, timeMs } from '../_shared/clock.ts';
import type { Status, StatusJob, StoredStatus } from './schema.ts';

/** What is known where the functions run, and not in the database. */
export interface Deployment {
  projectUrl?: string;
  schedules?: readonly DeployedSchedule[];
}

/** Says what the database cannot know when it stores a snapshot: when schedules are due next, and that nobody looks any more. */
export function completeStatus(
  stored: StoredStatus,
  { projectUrl, schedules = [] }: Deployment = {},
): Status {
  const { jobs } = stored;
  return {
    ...stored,
    projectUrl: stored.projectUrl ?? projectUrl ?? null,
    headline: headlineOf(stored),
    jobs: { ...jobs, items: jobs.items.map((job) => withSchedules(job, schedules, stored.readAt)) },
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

type StoredJob = StoredStatus['jobs']['items'][number];

function withSchedules(
  job: StoredJob,
  deployed: readonly DeployedSchedule[],
  readAt: string,
): StatusJob {
  const kept = job.schedules.map((schedule) => ({
    ...schedule,
    words: inWords(schedule.cron),
    nextDueAt: nextDueAt(schedule, readAt),
  }));
  const made = deployed
    .filter((schedule) => schedule.job === job.job)
    .map((schedule) => ofDeployment(schedule, job, readAt));
  const schedules = kept.length > 0 ? kept : made;
  const times = schedules.flatMap(({ nextDueAt }) => nextDueAt ?? []);
  return { ...job, schedules, nextDueAt: times.toSorted()[0] ?? null };
}

function ofDeployment(
  schedule: DeployedSchedule,
  { lastRun }: StoredJob,
  readAt: string,
): StatusJob['schedules'][number] {
  const { job, expression, timezone } = schedule;
  const readMs = timeMs(readAt);
  // A rate counts from the last time. What should have been there by now is still the next.
  const fromMs = expression.startsWith('rate(') && lastRun ? timeMs(lastRun.startedAt) : readMs;
  const nextMs = firstAfterMs(schedule, fromMs);
  return {
    name: job,
    cron: expression,
    timeZone: timezone,
    words: wordsOfExpression(expression),
    nextDueAt: nextMs === undefined ? null : isoTime(nextMs),
  };
}

function wordsOfExpression(expression: string): string {
  const [, every, unit] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression) ?? [];
  if (unit) return every === '1' ? `Every ${unit}` : `Every ${every} ${unit}s`;
  const fields = /^cron\((.+) \*\)$/.exec(expression)?.[1]?.replaceAll('?', '*');
  // Days of the week begin with SUN = 1 there.
  return fields ? inWords(fields, { dayOfWeekStartIndexZero: false }) : expression;
}

/** What pg_cron reads and this library does not, such as `30 seconds`, is understood as it is. */
function inWords(cron: string, options = {}): string {
  try {
    return cronstrue.toString(cron, { use24HourTimeFormat: true, ...options });
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
