import { cutTo } from './cut.ts';
import { NightshiftError } from './errors.ts';
import { type HttpRequest, maxBodyBytes } from './http.ts';

const formType = /^application\/x-www-form-urlencoded *(;|$)/i;

/** No field of ours needs more. */
const maxFieldLength = 500;

/** A form of the status page, and not JSON of a program. */
export function isForm({ headers }: Pick<HttpRequest, 'headers'>): boolean {
  return formType.test(headers['content-type'] ?? '');
}

/** The fields of a form, each once, trimmed and on one line. Throws NS400 or NS413. */
export function readForm(request: Pick<HttpRequest, 'headers' | 'body'>): Record<string, string> {
  if (!isForm(request)) {
    throw new NightshiftError('NS400', 'The body is no form', {
      hint: 'Send it as the status page does: content-type application/x-www-form-urlencoded.',
    });
  }
  if (request.body.byteLength > maxBodyBytes) {
    throw new NightshiftError('NS413', 'The form is larger than 64 KB', {
      hint: 'Say it in fewer words.',
    });
  }
  const fields = new URLSearchParams(new TextDecoder().decode(request.body));
  return Object.fromEntries(
    // Postgres keeps no text with a NUL in it.
    [...fields].map(([name, value]) => [
      name,
      cutTo(maxFieldLength, value.replace(/\p{Cc}+/gu, ' ').trim()),
    ]),
  );
}
