import { createHash, timingSafeEqual } from 'node:crypto';

/** Absent where it is not configured. */
export interface Tokens {
  /** Opens everything. */
  httpToken: string | undefined;
  /** Opens the status page for reading. */
  statusToken: string | undefined;
}

/** What a request presents as its token. */
export function bearerOf(authorization: string | undefined): string {
  return /^Bearer +(.+)$/i.exec(authorization ?? '')?.[1] ?? '';
}

/** Digests have the same length, so the comparison takes the same time whatever was presented. */
export function isSameToken(presented: string, token: string | undefined): boolean {
  const same = timingSafeEqual(digest(presented), digest(token ?? ''));
  return token !== undefined && token !== '' && same;
}

function digest(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}
