import { request as httpRequest } from 'node:http';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { noDeadline } from '../../cli/connect.ts';
import { type PageServer, servePage } from '../../cli/page-server.ts';
import { createRpc } from '../../functions/_shared/rpc.ts';
import { setUpHandler } from '../support/handler.ts';

const suite = setUpHandler({}, 'health-check');
let server: PageServer;

beforeEach(async () => {
  const { url, secretKey } = suite.gateway;
  server = await servePage(createRpc({ url, secretKey }, noDeadline), {
    projectUrl: url,
    schedules: [],
  });
});
afterEach(() => server.close());

interface Answer {
  statusCode: number | undefined;
  headers: Record<string, unknown>;
  body: string;
}

/** Not with fetch, which lets nobody choose the host. */
function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url);
    const sent = httpRequest({ hostname, port, path, method, headers }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () =>
        resolve({ statusCode: response.statusCode, headers: response.headers, body }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}

async function open(): Promise<{ cookie: string }> {
  const { headers } = await ask(new URL(server.url).pathname);
  expect(headers.location).toBe('/status');
  const [cookie = ''] = headers['set-cookie'] as string[];
  expect(cookie).toMatch(/; Path=\/; HttpOnly; SameSite=Strict$/);
  return { cookie: cookie.split(';')[0] ?? '' };
}

it('shows the page and its runs on this machine, as the function does, and without a button', async () => {
  const run = await suite.send({ quick: true });
  const session = await open();
  const { statusCode, headers, body } = await ask('/status', session);
  expect(statusCode).toBe(200);
  expect(headers['content-security-policy']).toContain("default-src 'none'");
  expect(body).toContain('<h2 id="retention">');
  expect(body).not.toContain('<form');
  const page = await ask(`/status/runs/${run.id}`, session);
  expect(page.body).toContain('<h1>Run of health-check</h1>');
  expect(page.body).not.toContain('<form');
});

it('is opened by its address once, which whoever has done so may go to again', async () => {
  await suite.send({ quick: true });
  const session = await open();
  const again = await ask(new URL(server.url).pathname, session);
  expect([again.statusCode, again.headers['set-cookie']]).toEqual([303, undefined]);
  expect((await ask('/status', session)).statusCode).toBe(200);
});

it('is closed for both when two have its address: one of them read it in a list of processes', async () => {
  await suite.send({ quick: true });
  const session = await open();
  for (let n = 0; n < 2; n += 1) {
    const other = await ask(new URL(server.url).pathname);
    expect([other.statusCode, other.headers['set-cookie']]).toEqual([404, undefined]);
    expect(other.body).toContain('Somebody else');
  }
  for (const path of ['/status', new URL(server.url).pathname]) {
    expect((await ask(path, session)).statusCode).toBe(404);
  }
});

it('shows nothing to whoever guesses, nor under another name, and does nothing', async () => {
  await suite.send({ quick: true });
  expect((await ask('/open/guessed')).statusCode).toBe(404);
  const session = await open();
  const name = session.cookie.split('=')[0];
  for (const headers of [
    {},
    { cookie: `${name}=guessed` },
    { authorization: 'Bearer undefined' },
    { ...session, host: 'rebound.example' },
  ]) {
    expect((await ask('/status', headers)).statusCode).toBe(404);
  }
  for (const path of ['/status/pause', '/status/login', '/jobs/retention-purge/runs']) {
    expect((await ask(path, session, 'POST')).statusCode).toBe(404);
  }
  expect((await ask('/status/jobs/retention-purge', session)).statusCode).toBe(404);
});
