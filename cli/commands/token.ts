import type { Command } from 'commander';
import { sign } from 'hono/jwt';
import * as z from 'zod';
import { runnerRole } from '../../functions/_shared/access.ts';
import { type Clock, systemClock } from '../../functions/_shared/clock.ts';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { wholeNumber } from '../options.ts';
import { utc } from '../ui.ts';

export function addToken(program: Command): void {
  program
    .command('token')
    .description(
      'make a runner token, which may run jobs and nothing else, signed with SUPABASE_JWT_SECRET of the environment',
    )
    .option('--days <number>', 'how long it is good for, 1 to 365', wholeNumber, 90)
    .action(token);
}

async function token({ days }: { days: number }): Promise<void> {
  const minted = await mintToken(process.env, days, systemClock);
  // On stderr, so that stdout is the token and nothing else.
  console.error(`For the role ${runnerRole}, good until ${utc(minted.expiresAtMs)} UTC.`);
  console.log(minted.token);
}

const dayMs = 24 * 3_600_000;

/** A private signing key, as `supabase gen signing-key` makes it and the project imports it. */
const signingKey = z
  .looseObject({ alg: z.enum(['ES256', 'RS256', 'HS256']), kid: z.string() })
  .refine((key) => 'd' in key || 'k' in key);

/** A token for the role that runs jobs, signed with the JWT secret of the project or a signing key that it knows. */
export async function mintToken(
  environment: Record<string, string | undefined>,
  days: number,
  clock: Clock,
): Promise<{ token: string; expiresAtMs: number }> {
  const secret = environment.SUPABASE_JWT_SECRET?.trim();
  if (!secret) {
    throw new NightshiftError('NS422', 'Not set: SUPABASE_JWT_SECRET', {
      hint: 'Set it to the JWT secret of the project (Project Settings > JWT Keys > Legacy JWT secret), or to a private signing key, as JSON, that you have imported there.',
    });
  }
  if (days < 1 || days > 365) {
    throw new NightshiftError('NS422', 'A token is good for 1 to 365 days', {
      hint: 'Leave --days out for 90.',
    });
  }
  const issuedAtMs = clock.nowMs();
  const expiresAtMs = issuedAtMs + days * dayMs;
  const claims = {
    role: runnerRole,
    iat: Math.floor(issuedAtMs / 1_000),
    exp: Math.floor(expiresAtMs / 1_000),
  };
  // A signing key brings its own algorithm.
  return { token: await sign(claims, keyOf(secret), 'HS256'), expiresAtMs };
}

/** What signs for Supabase is at least so long. */
const secretCharacters = 32;

function keyOf(secret: string): string | JsonWebKey {
  if (!/^[[{]/.test(secret)) {
    if (/^(sb_|eyJ)/.test(secret) || secret.length < secretCharacters) {
      throw new NightshiftError('NS422', 'SUPABASE_JWT_SECRET is no JWT secret', {
        hint: 'It is not an API key: Project Settings > JWT Keys > Legacy JWT secret, which has 32 characters and more.',
      });
    }
    return secret;
  }
  try {
    return signingKey.parse(JSON.parse(secret)) as JsonWebKey;
  } catch {
    throw new NightshiftError('NS422', 'SUPABASE_JWT_SECRET is no signing key', {
      hint: 'As JSON it has to be one private key with alg and kid, as supabase gen signing-key prints it.',
    });
  }
}
