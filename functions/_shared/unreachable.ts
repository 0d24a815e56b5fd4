import { NightshiftError } from './errors.ts';

/** The one way in which a connection fails that is a slip in its address. All others may pass. */
export const noSuchHost = /^ENOTFOUND\b/;

/** What platforms call the ways in which a connection fails, in words. */
const meanings: [RegExp, string][] = [
  [noSuchHost, 'there is no host of that name'],
  [/^EAI_AGAIN$/, 'no name can be looked up from here'],
  [/^ECONNREFUSED$/, 'nothing listens there'],
  [/CERT|SIGNATURE/, 'its certificate cannot be verified'],
  [/TIMEOUT|TimeoutError|ETIMEDOUT/, 'it did not answer in time'],
];

/** The project did not answer a call at all. `failure` is what the platform says of it, whose addresses are not repeated. */
export function unreachable(projectUrl: string, failure: string): NightshiftError {
  const cause = /\b(?:E[A-Z_]{4,}|UND_ERR_[A-Z_]+|[A-Z_]*(?:CERT|SIGNATURE)[A-Z_]*)\b/.exec(
    failure,
  );
  const symptom = /TimeoutError|AbortError|fetch failed/.exec(failure);
  const [reason] = cause ?? symptom ?? ['the connection failed'];
  const meaning = meanings.find(([is]) => is.test(reason))?.[1];
  return new NightshiftError(
    'NS503',
    `Supabase could not be reached at ${new URL(projectUrl).host}`,
    {
      detail: meaning ? `${reason}: ${meaning}` : reason,
      hint: 'Check SUPABASE_URL, and that the project is running and reachable from here.',
    },
  );
}
