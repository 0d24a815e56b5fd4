import type { Presenter } from '../cli/present/presenter.ts';
import { NightshiftError } from './_shared/errors.ts';
import type { Job } from './_shared/job.ts';
import { registration as healthCheck } from './health-check/registration.ts';
import { registration as partitionMaintenance } from './partition-maintenance/registration.ts';
import type { Registration } from './registration.ts';
import { registration as retentionPurge } from './retention-purge/registration.ts';
import { registration as tableVacuum } from './table-vacuum/registration.ts';
import { registration as viewRefresh } from './view-refresh/registration.ts';

/**
 * All jobs, in the order of a night. To add one, add a folder and a line here: the deployment, the command line, the local
 * stack and the tests use this list.
 */
const jobs = [partitionMaintenance, retentionPurge, viewRefresh, tableVacuum, healthCheck] as const;

export type JobName = (typeof jobs)[number]['name'];

export const registry: readonly Registration[] = jobs;

export const jobNames: readonly JobName[] = jobs.map(({ name }) => name);

function requireJob(name: string): Registration {
  const found = registry.find((job) => job.name === name);
  if (found) return found;
  throw new NightshiftError('NS404', `There is no job ${name}`, {
    hint: `Jobs are: ${jobNames.join(', ')}.`,
  });
}

export async function loadJob(name: string): Promise<Job<{ dryRun: boolean }, unknown>> {
  return (await requireJob(name).load()).job;
}

export async function loadPresenter(name: string): Promise<Presenter> {
  return (await requireJob(name).loadPresenter()).presenter;
}

/** The parameters of all jobs with their defaults; `on` deploys a job. */
export const jobParameters: Record<string, string> = Object.assign(
  {},
  ...registry.map(({ name, parameters }) => ({ [name]: 'on', ...parameters })),
);
