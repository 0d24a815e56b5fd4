import type { Clock } from '../../functions/_shared/clock.ts';
import type { Rpc } from '../../functions/_shared/rpc.ts';

export interface Diagnosis {
  subject: string;
  /** skipped: not configured, so there is nothing to look at. */
  level: 'ok' | 'warning' | 'failed' | 'skipped';
  says: string;
  fix?: string;
}

export interface Patient {
  rpc: Rpc;
  databaseUrl: string | undefined;
  /** Where the functions are deployed. */
  functionsUrl: string | undefined;
  clock: Clock;
  environment: Record<string, string | undefined>;
}

export const ok = (subject: string, says: string): Diagnosis => ({ subject, level: 'ok', says });
export const skipped = (subject: string, says: string): Diagnosis => ({
  subject,
  level: 'skipped',
  says,
});
export const warning = (subject: string, says: string, fix: string): Diagnosis => ({
  subject,
  level: 'warning',
  says,
  fix,
});
export const failed = (
  subject: string,
  says: string,
  fix = 'See the Postgres log and the API log (Dashboard > Logs).',
): Diagnosis => ({ subject, level: 'failed', says, fix });
