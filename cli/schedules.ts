import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import * as z from 'zod';
import { cronOf, firstAfterMs, type Schedule } from '../functions/_shared/aws-schedule.ts';
import { isoTime } from '../functions/_shared/clock.ts';
import { NightshiftError } from '../functions/_shared/errors.ts';
import type { Registration } from '../functions/registration.ts';
import { jobParameters, registry } from '../functions/registry.ts';
import { root } from './installation/origin.ts';

const params = z.record(z.string(), z.coerce.string());
/** A stage that changes nothing may stand there without a value. */
const serviceFile = z.object({ params: z.record(z.string(), params.nullable()) });

/** Of what is deployed from a clone: the package has none. */
const serviceUrl = new URL('serverless.yml', root);

const minuteMs = 60_000;

/** A schedule with what deploys it. */
export interface JobSchedule extends Schedule {
  parameter: string;
  /** The input of the runs that it starts. */
  input: object;
}

/** When a job runs by its schedule in a stage, going by what is in the files, not by what a deployment was told. */
export function readSchedules(name: string, stage: string): JobSchedule[] {
  const job = registry.find((each) => each.name === name);
  // The ledger may name jobs of another version.
  if (!job || !existsSync(serviceUrl)) return [];
  return schedulesOf(job, paramsIn(readFileSync(serviceUrl, 'utf8'), stage));
}

/** Refuses a name that is no stage in serverless.yml: a misspelt one would be shown the schedules of another. */
export function requireStage(stage: string): void {
  if (!existsSync(serviceUrl)) return;
  const serviceText = readFileSync(serviceUrl, 'utf8');
  const stages = Object.keys(sectionsIn(serviceText)).filter((name) => name !== 'default');
  if (stages.includes(stage)) return;
  throw new NightshiftError('NS404', `There is no stage ${stage} under params in serverless.yml`, {
    detail: `Stages there are: ${stages.join(', ')}.`,
    hint: `If it is one that is deployed with the defaults, write it there as well: ${stage}: {}`,
  });
}

export function paramsIn(serviceText: string, stage: string): Record<string, string> {
  const sections = sectionsIn(serviceText);
  const given: Record<string, string> = {
    ...jobParameters,
    ...sections.default,
    ...sections[stage],
  };
  const follow = (value: string) => {
    const other = /^\$\{param:([\w-]+)\}$/.exec(value)?.[1];
    return (other && given[other]) ?? value;
  };
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, follow(value)]));
}

function sectionsIn(serviceText: string): z.output<typeof serviceFile>['params'] {
  // CloudFormation's own tags mean nothing here.
  return serviceFile.parse(parse(serviceText, { logLevel: 'silent' })).params;
}

export function schedulesOf(
  { name, schedules }: Pick<Registration, 'name' | 'schedules'>,
  given: Record<string, string>,
): JobSchedule[] {
  if (given[name] === 'off' || given.schedules === 'off') return [];
  return schedules.map(({ parameter, input = {} }) => ({
    parameter,
    input,
    expression: given[parameter] ?? '',
    timezone: given['schedule-timezone'] ?? 'UTC',
  }));
}

/** The first time after `afterMs` at which a schedule of the job fires. */
export function nextDueMs(job: string, afterMs: number, stage: string): number | undefined {
  const schedules = readSchedules(job, stage);
  const times = schedules.flatMap((schedule) => firstAfterMs(schedule, afterMs) ?? []);
  return times.length > 0 ? Math.min(...times) : undefined;
}

const yearMs = 366 * 1440 * minuteMs;

/** The next time within a year that summer time leaves out: AWS skips it, and the job has no other in that hour. */
export function leftOutAfterMs(schedule: Schedule, afterMs: number): number | undefined {
  if (schedule.expression.startsWith('rate(') || schedule.timezone === 'UTC') return undefined;
  const cron = cronOf(schedule);
  let next = cron.nextRun(isoTime(afterMs));
  for (let times = 0; next && next.getTime() < afterMs + yearMs && times < 400; times += 1) {
    if (!cron.match(next)) return next.getTime();
    next = cron.nextRun(next);
  }
  return undefined;
}
