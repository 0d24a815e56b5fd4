import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { readAccess } from '../functions/_shared/access.ts';
import { deadlineIn, systemClock } from '../functions/_shared/clock.ts';
import { NightshiftError } from '../functions/_shared/errors.ts';
import { createRpc, type Rpc } from '../functions/_shared/rpc.ts';

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
  const { SUPABASE_URL: url, NIGHTSHIFT_DATABASE_URL: databaseUrl } = process.env;
  const { access, problems: accessProblems } = readAccess(process.env);
  const problems = {
    ...(url ? {} : { SUPABASE_URL: 'the URL of the project' }),
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
        hint: 'Set them to those of your project, or run npm start in another terminal for a local stack.',
      },
    );
  }
  if (!URL.canParse(url)) {
    throw new NightshiftError('NS422', `SUPABASE_URL is not a URL: ${url}`, {
      hint: 'It is https://<project>.supabase.co (Project Settings > Data API).',
    });
  }
  // On stderr, so that it is seen and --json stays one document: which project this is about to touch.
  console.error(`Project: ${local ? 'the local stack, ' : ''}${url}`);
  if (databaseUrl) {
    const host =
      URL.parse(databaseUrl)?.host ?? 'NIGHTSHIFT_DATABASE_URL is not a connection string';
    console.error(`Direct connection: ${host}`);
  }
  return { rpc: createRpc({ url, ...access }, deadline), databaseUrl };
}
