import { mintToken } from '../../cli/commands/token.ts';
import type { Access } from '../../functions/_shared/access.ts';
import { systemClock } from '../../functions/_shared/clock.ts';
import type { Gateway } from '../../infra/local/gateway.ts';
import { keepSecret } from './record-output.ts';

/** The way into a project with a token that was made for this day. */
export async function asRunner({
  url,
  publishableKey,
  jwtSecret,
}: Gateway): Promise<{ url: string } & Extract<Access, { runnerToken: string }>> {
  const { token } = await mintToken({ SUPABASE_JWT_SECRET: jwtSecret }, 1, systemClock);
  keepSecret(token);
  return { url, publishableKey, runnerToken: token };
}
