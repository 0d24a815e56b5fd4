import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { readAccess } from '../functions/_shared/access.ts';
import { type Deadline, deadlineIn, systemClock } from '../functions/_shared/clock.ts';
import { NightshiftError } from '../functions/_shared/errors.ts';
import { loopback } from '../functions/_shared/postgres-client.ts';
import { isRefusedKey } from '../functions/_shared/proxies.ts';
import { createRpc, type Rpc } from '../functions/_shared/rpc.ts';
import { projectUrl, wrongProjectUrl } from '../functions/_shared/settings.ts';
import { noSuchHost, unreachable } from '../functions/_shared/unreachable.ts';
import { requireAgreement } from './installation/agreement.ts';
import { isClone, root } from './installation/origin.ts';

/** Where `npm start` leaves the address and key of the local stack. */
const localEnvironment = new URL('.env.local', root);

export const noDeadline = deadlineIn(systemClock, Number.POSITIVE_INFINITY);

export interface Connection {
  rpc: Rpc;
  url: string;
  /** The stack of `npm start`. */
  isLocal: boolean;
  databaseUrl: string | undefined;
}

/** Whoever waits before a screen waits no longer for a project that does not answer at all. */
const reachableWithinMs = 3_000;

/** A connection to a project that answers, and whose schema is one that this command line knows. */
export async function connect(): Promise<Connection> {
  const connection = configure(noDeadline);
  await requireReachable(connection);
  await requireAgreement(connection.rpc).catch((thrown: unknown) => {
    throw thrown instanceof NightshiftError && isRefusedKey(thrown) ? wrongKey(thrown) : thrown;
  });
  return connection;
}

/** Before anything has begun it is a setting that is not right, which a function finds out in the night. */
function wrongKey(refused: NightshiftError): NightshiftError {
  return new NightshiftError('NS422', refused.message, { hint: refused.hint, cause: refused });
}

/** Any answer will do, also one that refuses. */
async function requireReachable(connection: Connection): Promise<void> {
  const signal = AbortSignal.timeout(reachableWithinMs);
  await fetch(connection.url, { method: 'HEAD', redirect: 'manual', signal }).catch(
    (thrown: unknown) => {
      throw notReached(connection, thrown);
    },
  );
}

/** A function takes a name that is not found for a failure that may pass; to whoever waits it is what they wrote. */
export function notReached(
  { url, isLocal }: Pick<Connection, 'url' | 'isLocal'>,
  thrown: unknown,
): NightshiftError {
  const reason = reasonOf(thrown);
  const { code, message, detail, hint } = unreachable(url, reason);
  const stackHasEnded =
    isLocal && reason === 'ECONNREFUSED' && loopback.test(new URL(url).hostname);
  return new NightshiftError(noSuchHost.test(reason) ? 'NS422' : code, message, {
    detail,
    hint: stackHasEnded
      ? 'npm start has ended without taking .env.local away: start it again.'
      : hint,
    cause: thrown,
  });
}

/** Why fetch failed: it wraps the reason that the system gave, whose code is a word. */
export function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error ? (thrown.cause ?? thrown) : thrown;
  if (!(cause instanceof Error)) return 'unknown error';
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.name;
}

/** Of the running `npm start`, unless a project is exported. */
export function localSettings(): NodeJS.Dict<string> | undefined {
  if (process.env.SUPABASE_URL || !existsSync(localEnvironment)) return undefined;
  return parseEnv(readFileSync(localEnvironment, 'utf8'));
}

/** The local stack or the exported settings, never some of each. */
export function configure(deadline: Deadline): Connection {
  const local = localSettings();
  if (local) {
    delete process.env.NIGHTSHIFT_DATABASE_URL;
    delete process.env.NIGHTSHIFT_RUNNER_TOKEN;
    // Not loadEnvFile, which leaves what is exported as it is.
    Object.assign(process.env, local);
  }
  const url = projectUrl.safeParse(process.env.SUPABASE_URL).data;
  const { access, problems: accessProblems } = readAccess(process.env);
  const problems = {
    ...(url ? {} : { SUPABASE_URL: wrongProjectUrl(process.env.SUPABASE_URL) }),
    ...accessProblems,
  };
  if (!url || !access) {
    throw new NightshiftError(
      'NS422',
      `Not set, or not valid: ${Object.keys(problems).join(' and ')}`,
      {
        detail: Object.entries(problems)
          .map(([name, fix]) => `${name}: ${fix}.`)
          .join('\n  '),
        hint: `Export the right values.${isClone ? ' Without SUPABASE_URL, the stack that npm start runs in another terminal is used.' : ''}`,
      },
    );
  }
  // On stderr, so that it is seen and --json stays one document: which project this is about to touch.
  console.error(`Project: ${local ? 'the local stack, ' : ''}${url}`);
  return {
    rpc: createRpc({ url, ...access }, deadline, { somebodyWaits: true }),
    url,
    isLocal: local !== undefined,
    databaseUrl: process.env.NIGHTSHIFT_DATABASE_URL,
  };
}
