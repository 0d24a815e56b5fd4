import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { systemClock } from '../functions/_shared/clock.ts';
import type { Endpoint } from '../functions/_shared/endpoint.ts';
import { asksFor, type HttpRequest, type HttpResponse } from '../functions/_shared/http.ts';
import { silentLog } from '../functions/_shared/log.ts';
import type { Rpc } from '../functions/_shared/rpc.ts';
import { isSameToken } from '../functions/_shared/tokens.ts';
import { statusPages } from '../functions/status/endpoints.ts';

export interface PageServer {
  /** Opens the page, once. The command that opens a browser has it in the list of processes, where others may read it. */
  url: string;
  close(): void;
}

const newSecret = () => randomBytes(24).toString('base64url');

/** The status page for this machine alone, for reading. Ends when it is closed. */
export async function servePage(
  rpc: Rpc,
  { projectUrl, schedules }: Pick<Parameters<Endpoint['answer']>[0], 'projectUrl' | 'schedules'>,
): Promise<PageServer> {
  const key = newSecret();
  let session: string | undefined;
  let isOver = false;
  const tokens = { statusToken: newSecret(), httpToken: undefined };
  const server = createServer(async (request, response) => {
    const { statusCode, headers, body } = await answer(request);
    response.writeHead(statusCode, headers).end(body);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const host = `127.0.0.1:${port}`;
  // Cookies are those of all ports of a machine.
  const cookie = `nightshift-${port}`;

  /** Whoever comes first may be the one who read the address, so that a second one ends it for both. */
  function open(isKnown: boolean): HttpResponse {
    const headers = { location: '/status', 'referrer-policy': 'no-referrer' };
    if (isKnown) return { statusCode: 303, headers, body: '' };
    isOver ||= session !== undefined;
    session = isOver ? undefined : newSecret();
    if (isOver)
      return { ...nothing, body: `Somebody else has opened this address. ${nothing.body}` };
    const setCookie = `${cookie}=${session}; Path=/; HttpOnly; SameSite=Strict`;
    return { statusCode: 303, headers: { ...headers, 'set-cookie': setCookie }, body: '' };
  }

  async function answer(incoming: IncomingMessage): Promise<HttpResponse> {
    const path = incoming.url ?? '/';
    // Another name that leads here is one that somebody else has given to this machine.
    if (incoming.headers.host !== host || incoming.method !== 'GET') return nothing;
    const given = new RegExp(`(?:^|; *)${cookie}=([^;]*)`).exec(incoming.headers.cookie ?? '')?.[1];
    const isKnown = isSameToken(given ?? '', session);
    if (isSameToken(path, `/open/${key}`)) return open(isKnown);
    if (!isKnown) return nothing;
    const request: HttpRequest = {
      method: 'GET',
      path,
      headers: { host, authorization: `Bearer ${tokens.statusToken}` },
      body: new Uint8Array(),
      requestId: 'the command line',
      source: '127.0.0.1',
    };
    for (const endpoint of statusPages) {
      const asked = asksFor(request, endpoint.method, endpoint.path);
      if (!asked) continue;
      return endpoint.answer({
        rpc,
        clock: systemClock,
        log: silentLog,
        trusted: false,
        accessExpiresAtMs: undefined,
        projectUrl,
        schedules,
        body: request.body,
        request,
        tokens,
        ...asked,
      });
    }
    return nothing;
  }

  return {
    url: `http://${host}/open/${key}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

const nothing: HttpResponse = {
  statusCode: 404,
  headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
  body: 'There is nothing here. Begin again with: nightshift status --open\n',
};

/** Hands an address to the browser. Where there is none, the address that was printed has to do. */
export function openInBrowser(url: string): void {
  const [command, ...args] =
    process.platform === 'darwin'
      ? ['open']
      : process.platform === 'win32'
        ? ['rundll32', 'url.dll,FileProtocolHandler']
        : ['xdg-open'];
  if (command === undefined) return;
  const child = spawn(command, [...args, url], { stdio: 'ignore', detached: true });
  child.once('error', () => {});
  child.unref();
}
