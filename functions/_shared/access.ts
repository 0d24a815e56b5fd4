import * as z from 'zod';
import { type Clock, systemClock } from './clock.ts';

/** The role that a runner token names. It may run jobs and nothing else. */
export const runnerRole = 'nightshift_runner';

/** A project is accessed with the secret key, which may do anything, or with a token that may only run Nightshift. */
export type Access = { secretKey: string } | { publishableKey: string; runnerToken: string };

export const accessShapes = {
  SUPABASE_SECRET_KEY:
    'a secret key of the project (sb_secret_...); or, instead of it, SUPABASE_PUBLISHABLE_KEY and NIGHTSHIFT_RUNNER_TOKEN',
  SUPABASE_PUBLISHABLE_KEY: 'the publishable key of the project (sb_publishable_...)',
  NIGHTSHIFT_RUNNER_TOKEN: `a token for the role ${runnerRole}, made with: npm run nightshift -- token`,
};

type Problems = Partial<Record<keyof typeof accessShapes, string>>;

const claims = z.object({ role: z.literal(runnerRole), exp: z.number() });

/** Reads a token without verifying it, which only the project can do. Undefined when it is not a runner token. */
export function readRunnerToken(token: string): { expiresAtMs: number } | undefined {
  try {
    const payload = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    return { expiresAtMs: claims.parse(JSON.parse(atob(payload))).exp * 1_000 };
  } catch {
    return undefined;
  }
}

/** Reads exactly one kind of access from the environment, or says what is wrong with each variable. */
export function readAccess(
  environment: Record<string, string | undefined>,
  clock: Clock = systemClock,
): { access: Access; problems?: undefined } | { access?: undefined; problems: Problems } {
  const secretKey = environment.SUPABASE_SECRET_KEY?.trim();
  const publishableKey = environment.SUPABASE_PUBLISHABLE_KEY?.trim();
  const runnerToken = environment.NIGHTSHIFT_RUNNER_TOKEN?.trim();
  if (secretKey && runnerToken) {
    const hint = 'set either SUPABASE_SECRET_KEY or NIGHTSHIFT_RUNNER_TOKEN, not both';
    return { problems: { SUPABASE_SECRET_KEY: hint, NIGHTSHIFT_RUNNER_TOKEN: hint } };
  }
  if (secretKey) return { access: { secretKey } };
  if (!runnerToken) return { problems: { SUPABASE_SECRET_KEY: accessShapes.SUPABASE_SECRET_KEY } };

  const problems: Problems = {};
  const token = readRunnerToken(runnerToken);
  if (!token) problems.NIGHTSHIFT_RUNNER_TOKEN = accessShapes.NIGHTSHIFT_RUNNER_TOKEN;
  else if (token.expiresAtMs <= clock.nowMs()) {
    problems.NIGHTSHIFT_RUNNER_TOKEN =
      'it has expired; make a new one with: npm run nightshift -- token';
  }
  if (!publishableKey)
    problems.SUPABASE_PUBLISHABLE_KEY = `${accessShapes.SUPABASE_PUBLISHABLE_KEY}, which the token needs beside it`;
  return publishableKey && Object.keys(problems).length === 0
    ? { access: { publishableKey, runnerToken } }
    : { problems };
}
