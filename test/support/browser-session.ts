import { systemClock } from '../../functions/_shared/clock.ts';
import { type Session, sealSession } from '../../functions/_shared/session.ts';

type Fields = Record<string, string>;

const host = 'a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com';

/** What a browser adds to a form of a page of the same site. */
export const ofThePage = { host, origin: `https://${host}`, 'sec-fetch-site': 'same-origin' };

/** The cookie of a session, as whoever has the token gets it. */
export function cookieOf(
  access: Session['access'],
  key: string,
  { name = 'Ada', clock = systemClock } = {},
): string {
  const tokens = { httpToken: key, statusToken: key };
  return `__Host-nightshift=${sealSession({ access, name }, tokens, clock)}`;
}

/** A form, as a page posts it. */
export function form(path: string, fields: Fields, headers: Record<string, string> = {}) {
  return {
    method: 'POST',
    path,
    body: new URLSearchParams(fields).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...ofThePage, ...headers },
  };
}
