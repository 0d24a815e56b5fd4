import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import type { Job } from '../../functions/_shared/job.ts';

const functionsDirectory = new URL('../../functions/', import.meta.url);

/** A function folder is a job; `_shared` is what they share. */
export function jobNames(): string[] {
  return readdirSync(functionsDirectory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('_'))
    .map(({ name }) => name);
}

/** The text of a file of the repository. */
export const read = (path: string) =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** How something is deployed; CloudFormation's own tags mean nothing here. */
export const parseYaml = (text: string): unknown => parse(text, { logLevel: 'silent' });

export async function loadJob(name: string): Promise<Job<{ dryRun: boolean }, unknown>> {
  if (!jobNames().includes(name)) {
    throw new NightshiftError('NS404', `There is no job ${name}`, {
      hint: `Jobs are: ${jobNames().join(', ')}.`,
    });
  }
  const module = await import(new URL(`${name}/job.ts`, functionsDirectory).href);
  return module.job;
}
