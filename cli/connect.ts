import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { readAccess } from '../functions/_shared/access.ts';
import { deadlineIn, systemClock } from '../functions/_shared/clock.ts';
import { NightshiftError } from '../functions/_shared/errors.ts';
import { createRpc, type Rpc } from '../functions/_shared/rpc.ts';
import { projectUrl, wrongProjectUrl } from '../functions/_shared/settings.ts';

/** Where `npm start` leaves the address and key of the local stack. */
const localEnvironment = new URL('../.env.local', import.meta.url);

export const noDeadline = deadlineIn(systemClock, Number.POSITIVE_INFINITY);

export interface Connection {
  rpc: Rpc;
  databaseUrl: string | undefined;
}

/** The local stack or the exported settings, never some of each. */
export function connect(deadline = noDeadline): Connection {
  const local = !process.env.SUPABASE_URL && existsSync(localEnvironment);
  if (local) {
    delete process.env.NIGHTSHIFT_DATABASE_URL;
    delete process.env.NIGHTSHIFT_RUNNER_TOKEN;
    // Not loadEnvFile, which leaves what is exported as it is.
    Object.assign(process.env, parseEnv(readFileSync(localEnvironment, 'utf8')));
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
          .join(' '),
        hint: 'Export the right values. Without SUPABASE_URL, the stack that npm start runs in another terminal is used.',
      },
    );
  }
  // On stderr, so that it is seen and --json stays one document: which project this is about to touch.
  console.error(`Project: ${local ? 'the local stack, ' : ''}${url}`);
  return {
    rpc: createRpc({ url, ...access }, deadline),
    databaseUrl: process.env.NIGHTSHIFT_DATABASE_URL,
  };
}
