import dns from 'node:dns';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import getPort from 'get-port';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { nightshift } from '../support/command-line.ts';

const close: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const end of close.splice(0)) await end();
});

/** A host that is not the project; what it was asked. */
async function elsewhere(answer: RequestListener) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answer(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  close.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return { asked, host: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const ask = (url: string, args = ['status']) =>
  nightshift(args, { SUPABASE_URL: url, SUPABASE_SECRET_KEY: 'sb_secret_any' });

/** What the network says of every name. */
function answerLookups(code: string) {
  vi.spyOn(dns, 'lookup').mockImplementation(((...request: unknown[]) => {
    const answer = request.at(-1) as (error: Error) => void;
    process.nextTick(answer, Object.assign(new Error(`getaddrinfo ${code}`), { code }));
  }) as never);
}

describe('what is not there', () => {
  const api = (host: string) => ask(`http://${host}`);
  const database = (host: string) =>
    nightshift(['migrate', '--database-url', `postgres://u:p@${host}/postgres?sslmode=disable`]);

  it.each([
    ['the project', api],
    ['the database', database],
  ])('is wrong usage of %s only where nothing has that name', async (_, reach) => {
    const nobody = `127.0.0.1:${await getPort({ host: '127.0.0.1' })}`;
    const refused = await reach(nobody);
    expect(refused.stderr).toMatch(/127\.0\.0\.1.* \(NS503\)\n {2}ECONNREFUSED/);
    expect(refused.code).toBe(1);
    for (const [reason, code, exitCode] of [
      ['EAI_AGAIN', 'NS503', 1],
      ['ENOTFOUND', 'NS422', 2],
    ] as const) {
      answerLookups(reason);
      const unknown = await reach('abcd.supabase.invalid');
      expect(unknown.stderr).toMatch(
        new RegExp(`abcd\\.supabase\\.invalid.* \\(${code}\\)\\n {2}${reason}`),
      );
      expect(unknown.code).toBe(exitCode);
    }
  });
});

describe('an address at which there is no project', () => {
  it('is named by its host when nothing listens there', async () => {
    const host = `127.0.0.1:${await getPort({ host: '127.0.0.1' })}`;
    const { stderr, code } = await ask(`http://${host}`);
    expect(stderr).toBe(
      `Project: http://${host}\nSupabase could not be reached at ${host} (NS503)\n  ECONNREFUSED: nothing listens there\n  Fix: Check SUPABASE_URL, and that the project is running and reachable from here.\n`,
    );
    expect(code).toBe(1);
  });

  it('is not waited for when it takes the connection and says nothing', async () => {
    const { asked, host } = await elsewhere(() => {});
    const { stderr } = await ask(`http://${host}`, ['run', 'retention-purge']);
    expect(stderr).toMatch(
      new RegExp(
        `could not be reached at ${host} .*\\n {2}TimeoutError: it did not answer in time`,
      ),
    );
    expect(asked).toEqual(['HEAD /']);
  });

  it('is asked four times when something else answers there', async () => {
    const { asked, host } = await elsewhere((_, response) => {
      response.writeHead(404).end('<html>Not found</html>');
    });
    const { stderr } = await ask(`http://${host}`, ['run', 'retention-purge']);
    expect(stderr).toMatch(
      new RegExp(`nothing answers at this address .*\\n.* at ${host} .* HTTP 404`),
    );
    expect(asked.filter((request) => request.startsWith('POST'))).toHaveLength(4);
  });

  it('does not keep the doctor from looking at the rest', async () => {
    const { stdout, code } = await ask('http://127.0.0.1:9', ['doctor']);
    expect(stdout).toMatch(/failed +Data API +Supabase could not be reached at 127\.0\.0\.1:9/);
    expect(stdout).toMatch(/skipped +functions/);
    expect(code).toBe(1);
  });
});
