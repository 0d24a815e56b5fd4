import type { ErrorDocument } from './errors.ts';

/** What to do about something that a step left undone. */
export interface Fix {
  /** The foreign key, trigger, partition or table that it is about. */
  subject: string;
  /** A sentence, or SQL to run. */
  fix: string;
}

/** A run, as it is asked for over HTTP. The command line says it as a command of its own (cli/words.ts). */
export function callOf(job: string, input: object): string {
  return `POST /jobs/${job}/runs with ${JSON.stringify(input)}`;
}

/** An error has its fix in its hint; one from elsewhere may have none. */
export function fixesOfError(subject: string, { hint }: ErrorDocument): Fix[] {
  if (hint !== undefined) return [];
  const fix =
    'The next run tries again; the Postgres log at the time of this one has the whole message.';
  return [{ subject, fix }];
}

export const nextRunGoesOn =
  'The next run goes on from here. If none gets to the end, run it once by hand, without a time limit.';
