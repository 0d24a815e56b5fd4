import { NightshiftError } from './errors.ts';
import type { HttpRequest } from './http.ts';

/**
 * Refuses what another site has a browser send, with the cookie of whoever looks at it. Browsers say where a request comes
 * from; what says nothing is no browser, and has to send the token itself.
 */
export function requireSameOrigin({ headers }: Pick<HttpRequest, 'headers'>): void {
  const { origin, host, 'sec-fetch-site': site } = headers;
  const isSame = site === undefined ? isOf(origin, host) : site === 'same-origin';
  if (isSame) return;
  throw new NightshiftError('NS403', 'The request does not come from the status page', {
    hint: 'Go to the status page and press the button there. A program sends the header Authorization: Bearer <NIGHTSHIFT_HTTP_TOKEN> instead.',
  });
}

function isOf(origin: string | undefined, host: string | undefined): boolean {
  return host !== undefined && URL.parse(origin ?? '')?.host === host;
}
