import { type Page, respondWithPage } from './document.ts';
import { httpStatusOf, type NightshiftError } from './errors.ts';
import type { HttpRequest, HttpResponse } from './http.ts';
import { html } from './markup.ts';

/** Enough for a few sentences: what starts runs needs no more of the status page. */
const styles = `
:root{color-scheme:light dark}
body{font:16px/1.55 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1.25rem;overflow-wrap:anywhere}
h1{font-size:1.4rem}
`;

/** What went wrong, to a person with a browser. */
export function respondWithProblem(error: NightshiftError, request: HttpRequest): HttpResponse {
  const page: Page = {
    title: error.message,
    level: 'none',
    styles,
    body: html`<main><h1>${error.message}</h1>
${error.detail !== undefined && html`<p>${error.detail}</p>`}
${error.hint !== undefined && html`<p>${error.hint}</p>`}
<p><a href="${rootOf(request)}status">Back to the status</a></p></main>`,
  };
  const response = respondWithPage(httpStatusOf(error), page, { nonce: newNonce() });
  if (error.code === 'NS429') response.headers = { ...response.headers, 'retry-after': '900' };
  return response;
}

/** Sends a browser on after what it posted, so that reloading does not post it again. */
export function seeOther(request: HttpRequest, path: string): HttpResponse {
  return {
    statusCode: 303,
    headers: { location: `${rootOf(request)}${path}`, 'cache-control': 'no-store' },
    body: '',
  };
}

/** What leads from the address of a request to that of the API: a stage or a name may stand before its path. */
export function rootOf({ path }: Pick<HttpRequest, 'path'>): string {
  return '../'.repeat(path.split('/').length - 2);
}

export function newNonce(): string {
  return crypto.randomUUID();
}
