import type { HttpResponse } from './http.ts';
import { html, Markup } from './markup.ts';

/** Chosen anew for each answer: what has not got it is neither styled nor run. */
export interface Shell {
  nonce: string;
}

export interface Page {
  title: string;
  /** The favicon says it in a row of tabs. */
  level: 'ok' | 'warning' | 'critical' | 'none';
  styles: string;
  body: Markup;
  script?: string;
}

/** One document that asks for nothing else. */
export function documentOf({ title, level, styles, body, script }: Page, { nonce }: Shell): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title} – Nightshift</title>
<link rel="icon" href="${favicon(level)}">
<style nonce="${nonce}">${new Markup(styles)}</style>
</head>
<body>
${body}
${script !== undefined && html`<script nonce="${nonce}">${new Markup(script)}</script>`}
</body>
</html>
`;
  return String(page);
}

const colours = { ok: '#1a7f4b', warning: '#b45309', critical: '#c81e1e', none: '#64748b' };
const marks = {
  ok: '<path d="M9 17l5 5 9-11" fill="none" stroke="#fff" stroke-width="3.5"/>',
  warning: '<path d="M16 7v11M16 22v4" stroke="#fff" stroke-width="4"/>',
  critical: '<path d="M10 10l12 12M22 10L10 22" stroke="#fff" stroke-width="4"/>',
  none: '<path d="M20 8a9 9 0 1 0 4 12A8 8 0 0 1 20 8" fill="#fff"/>',
};

function favicon(level: Page['level']): string {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="16" fill="${colours[level]}"/>${marks[level]}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

/** What a browser may do with a page: show it, and send its forms back to where it is from. */
function securityHeaders(nonce: string): Record<string, string> {
  return {
    'content-security-policy': [
      "default-src 'none'",
      `style-src 'nonce-${nonce}'`,
      `script-src 'nonce-${nonce}'`,
      "connect-src 'self'",
      'img-src data:',
      "form-action 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
    ].join('; '),
    'x-content-type-options': 'nosniff',
    // With none, a browser says of its own forms that they come from nowhere.
    'referrer-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    'cache-control': 'no-store',
  };
}

export function respondWithPage(statusCode: number, page: Page, shell: Shell): HttpResponse {
  return {
    statusCode,
    headers: { 'content-type': 'text/html; charset=utf-8', ...securityHeaders(shell.nonce) },
    body: documentOf(page, shell),
  };
}
