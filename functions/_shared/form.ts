import { NightshiftError } from './errors.ts';
import type { HttpRequest } from './http.ts';

const formType = /^application\/x-www-form-urlencoded *(;|$)/i;

/** No field of ours needs more. */
const maxFieldLength = 500;

/** A form of the status page, and not JSON of a program. */
export function isForm({ headers }: Pick<HttpRequest, 'headers'>): boolean {
  return formType.test(headers['content-type'] ?? '');
}

/** The fields of a form, each once and trimmed. Throws NS400. */
export function readForm(request: Pick<HttpRequest, 'headers' | 'body'>): Record<string, string> {
  if (!isForm(request)) {
    throw new NightshiftError('NS400', 'The body is no form', {
      hint: 'Send it as the status page does: content-type application/x-www-form-urlencoded.',
    });
  }
  const fields = new URLSearchParams(new TextDecoder().decode(request.body));
  return Object.fromEntries(
    [...fields].map(([name, value]) => [name, value.trim().slice(0, maxFieldLength)]),
  );
}
