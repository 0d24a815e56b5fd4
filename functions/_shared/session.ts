import { createHmac } from 'node:crypto';
import type { Clock } from './clock.ts';
import type { HttpRequest } from './http.ts';
import { isSameToken, type Tokens } from './tokens.ts';

/** Someone who looks at the status page. */
export interface Session {
  access: 'read' | 'steer';
  /** As they call themselves, for the ledger. */
  name: string;
}

/** A working day. Nobody is asked for the token in the middle of an incident, and no browser has it for good. */
const livesMs = 12 * 3_600_000;

/** Neither a signature nor an encoded name has it. */
const separator = '|';

/** What a token opens; nothing, when it is wrong. Takes as long whatever is presented. */
export function accessOf(presented: string, tokens: Tokens): Session['access'] | undefined {
  const steers = isSameToken(presented, tokens.httpToken);
  const reads = isSameToken(presented, tokens.statusToken);
  return steers ? 'steer' : reads ? 'read' : undefined;
}

/**
 * The value of the cookie of a session. It is signed with the token that opened it: functions have no memory in common,
 * and whoever changes a token ends its sessions.
 */
export function sealSession({ access, name }: Session, tokens: Tokens, clock: Clock): string {
  const expiresAtMs = clock.nowMs() + livesMs;
  const claims = [access, expiresAtMs, encodeURIComponent(name)].join(separator);
  return [claims, signatureOf(claims, keyOf(access, tokens) ?? '')].join(separator);
}

/** Whose session a request belongs to, by its cookie; nothing when it has none, it ran out, or its token was changed. */
export function readSession(
  request: Pick<HttpRequest, 'headers'>,
  tokens: Tokens,
  clock: Clock,
): Session | undefined {
  const sealed = cookieOf(request);
  const [access, expiresAtMs, name, signature, ...rest] = sealed?.split(separator) ?? [];
  if (sealed === undefined || rest.length > 0 || name === undefined) return undefined;
  if (access !== 'read' && access !== 'steer') return undefined;
  const key = keyOf(access, tokens);
  const claims = [access, expiresAtMs, name].join(separator);
  if (!key || !isSameToken(signature ?? '', signatureOf(claims, key))) return undefined;
  if (!(Number(expiresAtMs) > clock.nowMs())) return undefined;
  return { access, name: decodeURIComponent(name) };
}

/** The header that gives a browser its cookie, or takes it away again. */
export function setCookie(
  request: Pick<HttpRequest, 'headers'>,
  sealed: string | undefined,
): string {
  const isLocal = isOnThisMachine(request);
  return [
    `${cookieName(isLocal)}=${sealed ?? ''}`,
    'Path=/',
    'HttpOnly',
    'SameSite=Strict',
    `Max-Age=${sealed === undefined ? 0 : livesMs / 1000}`,
    // A browser sends such a cookie back over https only, which this machine does not speak.
    ...(isLocal ? [] : ['Secure']),
  ].join('; ');
}

function cookieOf(request: Pick<HttpRequest, 'headers'>): string | undefined {
  const name = cookieName(isOnThisMachine(request));
  for (const pair of (request.headers.cookie ?? '').split(/; */)) {
    const [key, value] = pair.split('=');
    if (key === name && value) return value;
  }
  return undefined;
}

/** The prefix makes browsers refuse the cookie from another host of the domain, and without Secure. */
const cookieName = (isLocal: boolean) => (isLocal ? 'nightshift' : '__Host-nightshift');

function isOnThisMachine({ headers }: Pick<HttpRequest, 'headers'>): boolean {
  return /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(headers.host ?? '');
}

function keyOf(access: Session['access'], { httpToken, statusToken }: Tokens): string | undefined {
  return access === 'steer' ? httpToken : statusToken;
}

function signatureOf(claims: string, key: string): string {
  return createHmac('sha256', key).update(`nightshift session ${claims}`).digest('base64url');
}
