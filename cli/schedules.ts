import { readFileSync } from 'node:fs';
import { Cron } from 'croner';
import { parse } from 'yaml';
import * as z from 'zod';
import { isoTime } from '../functions/_shared/clock.ts';
import type { Registration } from '../functions/registration.ts';
import { jobParameters, registry } from '../functions/registry.ts';

const params = z.record(z.string(), z.coerce.string());
const serviceFile = z.object({ params: z.record(z.string(), params) });

const minuteMs = 60_000;
const unitMs: Record<string, number> = {
  minute: minuteMs,
  hour: 60 * minuteMs,
  day: 1440 * minuteMs,
};

interface Schedule {
  expression: string;
  timezone: string;
}

/** When a job runs by its schedule in a stage, going by what is in the files, not by what a deployment was told. */
export function readSchedules(name: string, stage: string): Schedule[] {
  const job = registry.find((each) => each.name === name);
  // The ledger may name jobs of another version.
  if (!job) return [];
  const serviceText = readFileSync(new URL('../serverless.yml', import.meta.url), 'utf8');
  return schedulesOf(job, paramsIn(serviceText, stage));
}

export function paramsIn(serviceText: string, stage: string): Record<string, string> {
  // CloudFormation's own tags mean nothing here.
  const { params } = serviceFile.parse(parse(serviceText, { logLevel: 'silent' }));
  return { ...jobParameters, ...params.default, ...params[stage] };
}

export function schedulesOf(
  { name, schedules }: Pick<Registration, 'name' | 'schedules'>,
  given: Record<string, string>,
): Schedule[] {
  if (given[name] === 'off' || given.schedules === 'off') return [];
  return schedules.map(({ parameter }) => ({
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

/** A rate counts from `afterMs`. */
export function firstAfterMs(
  { expression, timezone }: Schedule,
  afterMs: number,
): number | undefined {
  const every = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression);
  if (every) return afterMs + Number(every[1]) * (unitMs[every[2] ?? ''] ?? 0);
  return new Cron(cronPattern(expression), { timezone, sloppyRanges: true })
    .nextRun(isoTime(afterMs))
    ?.getTime();
}

/** AWS has six fields, '?' for a day that does not matter, and counts the days of the week from SUN = 1. */
export function cronPattern(expression: string): string {
  const fields = /^cron\((.+)\)$/.exec(expression)?.[1]?.split(' ') ?? [];
  const [minutes, hours, days, months, weekdays = '', years] = fields;
  if (fields.length !== 6 || years !== '*') throw new Error(`Not a yearly cron: ${expression}`);
  const fromZero = weekdays.replace(/(?<![#/\d])\d+/g, (day) => `${Number(day) - 1}`);
  return [minutes, hours, days, months, fromZero].join(' ').replaceAll('?', '*');
}
