import { createHash } from 'node:crypto';
import * as z from 'zod';
import { type Clock, timeMs } from './clock.ts';
import { NightshiftError } from './errors.ts';
import { readForm } from './form.ts';
import { type HttpRequest, requireTrust } from './http.ts';
import type { Invocation } from './invocation.ts';
import { type RunDocument, runDocument } from './ledger.ts';
import type { Rpc } from './rpc.ts';
import { requireSameOrigin } from './same-origin.ts';
import { readSession } from './session.ts';
import type { Tokens } from './tokens.ts';

/** What would go changes with time, so a dry run is an answer for so long. */
const confirmableMs = 3_600_000;

interface Tools {
  tokens: Tokens;
  rpc: Rpc;
  clock: Clock;
}

/**
 * Who may start and stop runs from the status page, as the ledger is to name them with their reason. Throws NS401, NS403,
 * NS404 or NS429.
 */
export async function requireSteering(request: HttpRequest, tools: Tools): Promise<string> {
  const { why } = readForm(request);
  const name = await requireSteerer(request, tools);
  if (why) return `${name}: ${why}`;
  throw new NightshiftError('NS400', 'Nobody will know why', {
    hint: 'Say why: it is kept with your name.',
  });
}

/** Who may start and stop runs, where no reason is asked for. */
export async function requireSteerer(request: HttpRequest, tools: Tools): Promise<string> {
  const { tokens, rpc, clock } = tools;
  if (!tokens.httpToken) {
    throw new NightshiftError('NS404', 'Runs cannot be started or stopped here', {
      hint: 'Set NIGHTSHIFT_HTTP_TOKEN, and log in with it.',
    });
  }
  if (request.headers.authorization !== undefined) {
    requireTrust(request, tokens.httpToken);
    return 'an HTTP call';
  }
  const name = nameInBrowser(request, tokens, clock);
  await admit('steer', request, rpc);
  return name;
}

function nameInBrowser(request: HttpRequest, tokens: Tokens, clock: Clock): string {
  requireSameOrigin(request);
  const session = readSession(request, tokens, clock);
  if (!session) {
    throw new NightshiftError('NS401', 'You are not logged in any more', {
      hint: 'Log in at the status page, and try again.',
    });
  }
  if (session.access !== 'steer') {
    throw new NightshiftError('NS403', 'You logged in for reading only', {
      hint: 'Log out, and log in with NIGHTSHIFT_HTTP_TOKEN.',
    });
  }
  return session.name;
}

/** Counts an attempt, and refuses one too many with NS429. */
export async function admit(
  action: 'login' | 'steer',
  { source }: Pick<HttpRequest, 'source'>,
  rpc: Rpc,
): Promise<void> {
  const caller = createHash('sha256').update(source).digest('hex');
  if (await rpc.call('admit_caller', { action, caller }, z.boolean())) return;
  throw new NightshiftError('NS429', 'Too many attempts', {
    hint: 'Wait for a quarter of an hour. Calls with the header Authorization go on working.',
  });
}

/**
 * The run that a form of the status page asks for: a dry one, or what a dry one has shown. The second is asked for once,
 * however often the button is pressed.
 */
export async function invocationOfForm(
  request: HttpRequest,
  job: string,
  tools: Tools,
): Promise<Invocation> {
  const requestedBy = await requireSteering(request, tools);
  const { confirms } = readForm(request);
  if (!confirms) return { trigger: 'http', requestedBy, input: { dryRun: true } };
  const shown = await tools.rpc.call('find_run', { id: confirms }, runDocument);
  requireConfirmable(shown, job, tools.clock);
  return {
    trigger: 'http',
    requestedBy,
    idempotencyKey: `confirms ${shown.id}`,
    input: { ...z.record(z.string(), z.unknown()).parse(shown.input), dryRun: false },
  };
}

export function isConfirmable({ dryRun, status, finishedAt }: RunDocument, nowMs: number): boolean {
  return (
    dryRun &&
    (status === 'succeeded' || status === 'partial') &&
    finishedAt !== null &&
    nowMs - timeMs(finishedAt) < confirmableMs
  );
}

function requireConfirmable(shown: RunDocument, job: string, clock: Clock): void {
  if (shown.job === job && isConfirmable(shown, clock.nowMs())) return;
  throw new NightshiftError('NS409', 'What would be done was not shown within the last hour', {
    hint: 'Begin with a dry run, and confirm that one.',
  });
}
