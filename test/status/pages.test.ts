import { beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../functions/_shared/clock.ts';
import { statusPages } from '../../functions/status/endpoints.ts';
import { cookieOf, form, ofThePage } from '../support/browser-session.ts';
import { setUpHandler, token } from '../support/handler.ts';
import { written } from '../support/record-output.ts';

const reader = 'reads-only-5c2e';
const suite = setUpHandler({ NIGHTSHIFT_STATUS_TOKEN: reader }, 'health-check');
const { browse, coldStart, send } = suite;

const steering = { cookie: cookieOf('steer', token) };
const reading = { cookie: cookieOf('read', reader) };

const get = (path: string, headers: Record<string, string> = {}) =>
  browse({ method: 'GET', path, headers });

beforeEach(async () => {
  await suite.sql`truncate nightshift.status, nightshift.admissions`;
});

async function beginRun(): Promise<string> {
  const [row] = await suite.sql<{ id: string }[]>`
    select nightshift.begin_run('view-refresh', 'schedule') #>> '{run,id}' as id`;
  return row?.id ?? '';
}

/** Every route, with what a button of the page would send. */
const routes = (id: string) =>
  statusPages.map(({ method, path }) => ({ method, path: path.replace('{id}', id) }));

const isLogin = (path: string) => path === '/status/login' || path === '/status/logout';

describe('the page', () => {
  it('is switched off without a token, and says how to switch it on', async () => {
    await coldStart({ NIGHTSHIFT_STATUS_TOKEN: undefined, NIGHTSHIFT_HTTP_TOKEN: undefined });
    for (const { method, path } of routes(await beginRun())) {
      const headers = { cookie: `${cookieOf('read', '')}; ${cookieOf('steer', '')}` };
      const request = method === 'GET' ? { method, path, headers } : form(path, {}, headers);
      const { statusCode, body } = await browse(request);
      expect([path, statusCode]).toEqual([path, 503]);
      expect(body).toContain('Set NIGHTSHIFT_STATUS_TOKEN');
    }
  });

  it('asks for a token on every route, and shows nothing', async () => {
    await send({ quick: true });
    for (const { method, path } of routes(await beginRun())) {
      if (isLogin(path)) continue;
      const fields = { why: 'because' };
      const request = method === 'GET' ? { method, path } : form(path, fields);
      const { statusCode, body, headers } = await browse(request);
      expect([path, statusCode]).toEqual([path, 401]);
      expect(body).not.toContain('view-refresh');
      expect(headers).not.toHaveProperty('set-cookie');
    }
  });

  it('shows the snapshot of the last health check by cookie and by token, and to a reader no button', async () => {
    await send({ quick: true });
    for (const headers of [reading, steering, { authorization: `Bearer ${reader}` }]) {
      const { statusCode, body } = await get('/status', headers);
      expect(statusCode).toBe(200);
      expect(body).toContain('<h2 id="retention">');
      expect(body.includes('Pause all jobs')).toBe(headers === steering);
    }
  });

  it('says that there is no snapshot yet', async () => {
    const { statusCode, body } = await get('/status', reading);
    expect(statusCode).toBe(404);
    expect(body).toContain('There is no status yet: no health check has run');
  });

  it('may be styled and run by nothing but what carries its nonce, which is another one each time', async () => {
    await send({ quick: true });
    const answers = [
      await get('/status', reading),
      await get('/status'),
      await get('/status/runs/x', reading),
    ];
    const nonces = answers.map(({ headers, body }) => {
      const policy = headers['content-security-policy'] ?? '';
      const nonce = /style-src 'nonce-([^']+)'/.exec(policy)?.[1] ?? '';
      expect(policy.split('; ')).toEqual([
        "default-src 'none'",
        `style-src 'nonce-${nonce}'`,
        `script-src 'nonce-${nonce}'`,
        "connect-src 'self'",
        'img-src data:',
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
      ]);
      expect(body).toContain(`<style nonce="${nonce}">`);
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'same-origin',
        'cache-control': 'no-store',
        'content-type': 'text/html; charset=utf-8',
      });
      return nonce;
    });
    expect(new Set(nonces).size).toBe(3);
  });
});

describe('the login', () => {
  const logIn = (given: string, headers: Record<string, string> = {}) =>
    browse(form('/status/login', { token: given, name: 'Ada' }, headers));

  it.each([
    ['the one that reads', reader, false],
    ['the one that steers', token, true],
  ])('takes %s, into a cookie that no script and no other site gets', async (_, given, steers) => {
    await send({ quick: true });
    const { statusCode, headers, body } = await logIn(given);
    expect([statusCode, headers.location, body]).toEqual([303, '../status', '']);
    const cookie = headers['set-cookie'] ?? '';
    expect(cookie).toMatch(
      /^__Host-nightshift=\S+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200; Secure$/,
    );
    expect(decodeURIComponent(cookie)).not.toContain(given);
    const page = await get('/status', { cookie: cookie.split(';')[0] ?? '' });
    expect(page.statusCode).toBe(200);
    expect(page.body.includes('Pause all jobs')).toBe(steers);
    expect(written.join('')).not.toContain(given);
  });

  it('needs no https on this machine, where there is none', async () => {
    const local = { host: '127.0.0.1:3000', origin: 'http://127.0.0.1:3000' };
    const { headers } = await logIn(reader, local);
    expect(headers['set-cookie']).toMatch(/^nightshift=.*Max-Age=43200$/);
    await send({ quick: true });
    const cookie = headers['set-cookie']?.split(';')[0] ?? '';
    expect((await get('/status', { ...local, cookie })).statusCode).toBe(200);
    expect((await get('/status', { cookie })).statusCode).toBe(401);
  });

  it.each([
    ['a wrong token', 'guessed'],
    ['no token', ''],
    ['a beginning of it', reader.slice(0, -1)],
  ])('refuses %s', async (_, given) => {
    const { statusCode, headers, body } = await logIn(given);
    expect(statusCode).toBe(401);
    expect(headers).not.toHaveProperty('set-cookie');
    expect(body).toContain('This is not the token.');
    expect(body).not.toContain(`value="${given}"`);
  });

  it('is refused after ten tries in a quarter of an hour, also with the token, and open again afterwards', async () => {
    for (let n = 0; n < 10; n += 1) expect((await logIn('guessed')).statusCode).toBe(401);
    const refused = await logIn(reader);
    expect(refused.statusCode).toBe(429);
    expect(refused.headers).toMatchObject({ 'retry-after': '900' });
    expect(refused.headers).not.toHaveProperty('set-cookie');
    await suite.sql`update nightshift.admissions set admitted_at = now() - interval '16 minutes'`;
    expect((await logIn(reader)).statusCode).toBe(303);
    expect(await suite.sql`select caller from nightshift.admissions`).toEqual([
      { caller: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ]);
  });

  it('is open to everybody else, however many others guess', async () => {
    await suite.sql`
      insert into nightshift.admissions (action, caller)
      select 'login', 'address ' || n / 10 from generate_series(1, 1000) n`;
    expect((await logIn(reader)).statusCode).toBe(303);
  });

  it('lets no more than ten in of many tries at the same time', async () => {
    const tries = await Promise.all(Array.from({ length: 14 }, () => logIn('guessed')));
    expect(tries.filter(({ statusCode }) => statusCode === 429)).toHaveLength(4);
  });

  it('takes a name whatever is in it, and no form that is larger than 64 KB', async () => {
    const name = `${'x'.repeat(499)}🧹`;
    const { statusCode } = await browse(form('/status/login', { token: reader, name }));
    expect(statusCode).toBe(303);
    const large = await logIn('x'.repeat(65_536));
    expect([large.statusCode, large.headers['set-cookie']]).toEqual([413, undefined]);
  });

  it('comes from the page itself', async () => {
    const elsewhere = await logIn(reader, {
      'sec-fetch-site': 'cross-site',
      origin: 'https://evil.example',
    });
    expect(elsewhere.statusCode).toBe(403);
    expect(elsewhere.headers).not.toHaveProperty('set-cookie');
  });

  it('ends with a logout', async () => {
    const { statusCode, headers } = await browse(form('/status/logout', {}, reading));
    expect([statusCode, headers.location]).toEqual([303, '../status']);
    expect(headers['set-cookie']).toMatch(/^__Host-nightshift=; .*Max-Age=0; Secure$/);
  });
});

describe('a cookie', () => {
  const halfADayAgo = { nowMs: () => systemClock.nowMs() - 12 * 3_600_000 - 1_000 };
  const [name = '', value = ''] = steering.cookie.split('=');
  const claims = value.split('|');

  it.each([
    ['is too old', cookieOf('read', reader, { clock: halfADayAgo })],
    ['was signed with a token that has been changed', cookieOf('read', 'the one before')],
    ['says that it steers, and is signed with the token that reads', cookieOf('steer', reader)],
    ['has no signature', `${name}=${claims.slice(0, 3).join('|')}`],
    ['has a signature that is empty', `${name}=${claims.slice(0, 3).join('|')}|`],
    ['was made to last', `${name}=${[claims[0], '9999999999999', claims[2], claims[3]].join('|')}`],
    ['was given another name', `${name}=${[claims[0], claims[1], 'Eve', claims[3]].join('|')}`],
    ['has more than it should', `${value}|more`],
    ['has the token in it', `${name}=${token}`],
    ['has the name of the one without https', steering.cookie.replace('__Host-', '')],
    ['is of another', 'session=abc'],
  ])('that %s opens nothing', async (_, cookie) => {
    await send({ quick: true });
    expect((await get('/status', { cookie })).statusCode).toBe(401);
    const pause = await browse(form('/status/pause', { why: 'because' }, { cookie }));
    expect(pause.statusCode).toBe(401);
    expect(await isPaused()).toBe(false);
  });
});

async function isPaused(): Promise<boolean | undefined> {
  const [row] = await suite.sql<{ paused: boolean }[]>`select paused from nightshift.settings`;
  return row?.paused;
}

describe('steering', () => {
  it('pauses and ends the pause, with who and why', async () => {
    const paused = await browse(form('/status/pause', { why: 'restoring a backup' }, steering));
    expect([paused.statusCode, paused.headers.location]).toEqual([303, '../status']);
    expect(await suite.sql`select paused, paused_reason from nightshift.settings`).toEqual([
      { paused: true, paused_reason: 'Ada: restoring a backup' },
    ]);
    await browse(form('/status/unpause', {}, steering));
    expect(await isPaused()).toBe(false);
    await send({});
    const { body } = await get('/status', steering);
    expect(body).toMatch(/The last pause was ended <time[^>]*>[^<]*<\/time> by Ada\./);
    // Who ends none is not who ended the last one.
    await suite.sql`select nightshift.unpause('somebody else')`;
    const ended = await suite.sql`
      select unpaused_by as by, unpaused_at is not null as known from nightshift.settings`;
    expect(ended).toEqual([{ by: 'Ada', known: true }]);
  });

  it('cancels a run, with who and why in the ledger', async () => {
    const id = await beginRun();
    const page = await get(`/status/runs/${id}`, steering);
    expect(page.body).toContain('Cancel this run');
    const answer = await browse(form(`/status/runs/${id}/cancel`, { why: 'too slow' }, steering));
    expect([answer.statusCode, answer.headers.location]).toEqual([
      303,
      `../../../status/runs/${id}`,
    ]);
    expect(
      await suite.sql`select cancel_requested_by from nightshift.runs where id = ${id}`,
    ).toEqual([{ cancel_requested_by: 'Ada: too slow' }]);
    const after = await get(`/status/runs/${id}`, steering);
    expect(after.body).not.toContain('Cancel this run');
    expect(after.body).toContain('until then its work goes on');
  });

  it('keeps a reason whatever is in it, and whole characters of one that is too long', async () => {
    for (const [why, kept] of [
      ['a\0b\nc\u001b[31m', 'a b c [31m'],
      [`${'x'.repeat(499)}🧹`, 'x'.repeat(499)],
    ] as const) {
      expect((await browse(form('/status/pause', { why }, steering))).statusCode).toBe(303);
      expect(await suite.sql`select paused_reason from nightshift.settings`).toEqual([
        { paused_reason: `Ada: ${kept}` },
      ]);
    }
    await browse(form('/status/unpause', {}, steering));
  });

  it('asks why', async () => {
    const { statusCode, body } = await browse(form('/status/pause', { why: ' ' }, steering));
    expect(statusCode).toBe(400);
    expect(body).toContain('Say why');
    expect(await isPaused()).toBe(false);
  });

  const origin = 'https://evil.example';
  it.each([
    ['of another site', { 'sec-fetch-site': 'cross-site', origin }],
    ['of another site that hides where it is', { 'sec-fetch-site': 'cross-site', origin: 'null' }],
    ['of another host of the same domain', { 'sec-fetch-site': 'same-site' }],
    ['that somebody typed', { 'sec-fetch-site': 'none' }],
    ['of another site, of an old browser', { 'sec-fetch-site': undefined, origin }],
    ['of a browser that does not say', { 'sec-fetch-site': undefined, origin: 'null' }],
    ['that says nothing of where it is from', { 'sec-fetch-site': undefined, origin: undefined }],
  ])('takes no form %s', async (_, from) => {
    const headers = Object.fromEntries(
      Object.entries({ ...ofThePage, ...steering, ...from }).filter(
        ([, value]) => value !== undefined,
      ),
    ) as Record<string, string>;
    const request = form('/status/pause', { why: 'because' });
    const { 'content-type': type } = request.headers;
    const answer = await browse({ ...request, headers: { 'content-type': type, ...headers } });
    expect(answer.statusCode).toBe(403);
    expect(await isPaused()).toBe(false);
  });

  it('takes a form of an old browser that names its page, and of a program with the token', async () => {
    const { 'sec-fetch-site': _, ...old } = ofThePage;
    const { headers, ...request } = form('/status/pause', { why: 'because' });
    const type = { 'content-type': headers['content-type'] };
    expect(
      (await browse({ ...request, headers: { ...type, ...old, ...steering } })).statusCode,
    ).toBe(303);
    const authorization = `Bearer ${token}`;
    expect((await browse({ ...request, headers: { ...type, authorization } })).statusCode).toBe(
      303,
    );
  });

  it.each(['application/json', 'text/plain', 'multipart/form-data; boundary=x'])(
    'takes no body of type %s',
    async (type) => {
      const request = form(
        '/status/pause',
        { why: 'because' },
        { ...steering, 'content-type': type },
      );
      expect((await browse(request)).statusCode).toBe(400);
      expect(await isPaused()).toBe(false);
    },
  );

  it('does nothing on GET, nor on any other method', async () => {
    const id = await beginRun();
    for (const { method, path } of routes(id)) {
      if (method === 'GET') continue;
      for (const other of ['GET', 'HEAD', 'PUT', 'DELETE']) {
        const { statusCode } = await browse({
          ...form(path, { why: 'x' }, steering),
          method: other,
        });
        expect([other, path, statusCode]).toEqual([other, path, 401]);
      }
    }
    expect(await isPaused()).toBe(false);
    expect(
      await suite.sql`select 1 from nightshift.runs where id = ${id} and cancel_requested_at is not null`,
    ).toEqual([]);
  });

  it('is not for whoever logged in for reading', async () => {
    const id = await beginRun();
    for (const path of ['/status/pause', '/status/unpause', `/status/runs/${id}/cancel`]) {
      const { statusCode, body } = await browse(form(path, { why: 'because' }, reading));
      expect([path, statusCode]).toEqual([path, 403]);
      expect(body).toContain('You logged in for reading only');
    }
    expect((await get('/status/jobs/view-refresh', reading)).statusCode).toBe(404);
    expect((await get(`/status/runs/${id}`, reading)).body).not.toContain(
      '<form method="post" action="../../status/runs',
    );
  });

  it('is not there when only the token that reads is set', async () => {
    await coldStart({ NIGHTSHIFT_HTTP_TOKEN: undefined });
    const id = await beginRun();
    for (const headers of [reading, steering, { authorization: `Bearer ${reader}` }]) {
      for (const path of ['/status/pause', '/status/unpause', `/status/runs/${id}/cancel`]) {
        const { statusCode } = await browse(form(path, { why: 'because' }, headers));
        expect([path, statusCode]).toEqual([path, 404]);
      }
    }
    expect(await isPaused()).toBe(false);
  });

  it('is refused after sixty clicks in a quarter of an hour', async () => {
    await suite.sql`
      insert into nightshift.admissions (action, caller)
      select 'steer', encode(sha256('192.0.2.10'), 'hex') from generate_series(1, 60)`;
    expect((await browse(form('/status/pause', { why: 'because' }, steering))).statusCode).toBe(
      429,
    );
    expect(await isPaused()).toBe(false);
    // A program has no clicks, and cannot be locked out by those of others.
    const program = { authorization: `Bearer ${token}` };
    expect((await browse(form('/status/pause', { why: 'because' }, program))).statusCode).toBe(303);
    await browse(form('/status/unpause', {}, program));
    expect(await isPaused()).toBe(false);
  });
});

describe('a run', () => {
  it('is shown with its progress, in words for the script as well', async () => {
    const id = await beginRun();
    await suite.sql`
      update nightshift.runs set progress = '{"steps": {"app.totals": {"refreshedMs": 12}}}' where id = ${id}`;
    expect((await get(`/status/runs/${id}`, reading)).body).toContain('1 view refreshed');
    const { statusCode, headers, body } = await get(`/status/runs/${id}/progress`, reading);
    expect(statusCode).toBe(200);
    expect(headers).toMatchObject({ 'cache-control': 'no-store' });
    expect(JSON.parse(body)).toEqual({ status: 'running', progress: '1 view refreshed' });
  });

  it('that there is not is said to be none', async () => {
    const { statusCode, body } = await get('/status/runs/ffff', reading);
    expect(statusCode).toBe(404);
    expect(body).toContain('There is no run ffff');
    expect((await get('/status/runs/%22%3E%3Cimg%20src=x%3E', reading)).body).not.toContain('<img');
    expect((await get('/status/runs/"><img src=x>', reading)).body).not.toContain('<img');
  });
});
