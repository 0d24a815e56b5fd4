import * as z from 'zod';
import { NightshiftError } from './errors.ts';
import { readSettings, type Settings } from './settings.ts';

type Environment = Record<string, string | undefined>;

export type EdgeSettings = Pick<
  Settings,
  'supabase' | 'httpToken' | 'statusToken' | 'webhook' | 'schedules' | 'httpBudgetMs'
>;

/** For settings of the other home, that somebody copied. */
const notHere: Record<string, string> = {
  NIGHTSHIFT_DATABASE_URL:
    'an Edge Function works over the Data API alone; for work that takes longer run the job on AWS or from the command line, and unset it here',
  NIGHTSHIFT_DATABASE_CA: 'an Edge Function makes no direct connection; unset it here',
  NIGHTSHIFT_SCHEDULES: 'the database has those of Edge Functions; unset it here',
  NIGHTSHIFT_EVENT_BUS: 'an Edge Function has no event bus; unset it here',
};

/**
 * Reads the secrets of an Edge Function as strictly as readSettings does. The URL and the keys are those that Supabase
 * provides, unless a runner token is set, which may do less than any key: it is then used with the publishable key.
 */
export function readEdgeSettings(environment: Environment): EdgeSettings {
  const wrong = Object.keys(notHere).filter((name) => environment[name]?.trim());
  if (wrong.length > 0) {
    throw new NightshiftError('NS422', 'The secrets of the Edge Function are not valid', {
      hint: wrong.map((name) => `${name}: ${notHere[name]}.`).join(' '),
    });
  }
  const keys = environment.NIGHTSHIFT_RUNNER_TOKEN?.trim()
    ? {
        SUPABASE_PUBLISHABLE_KEY:
          keyIn(environment.SUPABASE_PUBLISHABLE_KEYS) ?? environment.SUPABASE_ANON_KEY,
        SUPABASE_SECRET_KEY: undefined,
      }
    : {
        SUPABASE_SECRET_KEY:
          keyIn(environment.SUPABASE_SECRET_KEYS) ?? environment.SUPABASE_SERVICE_ROLE_KEY,
        SUPABASE_PUBLISHABLE_KEY: undefined,
      };
  const { supabase, httpToken, statusToken, webhook, schedules, httpBudgetMs } = readSettings({
    ...environment,
    ...keys,
  });
  return { supabase, httpToken, statusToken, webhook, schedules, httpBudgetMs };
}

/** Of the keys by name: the one named nightshift, else the default one. */
function keyIn(text: string | undefined): string | undefined {
  try {
    const keys = z.record(z.string(), z.string()).parse(JSON.parse(text ?? ''));
    return keys.nightshift ?? keys.default;
  } catch {
    return undefined;
  }
}
