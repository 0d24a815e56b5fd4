import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../../cli/installation/migrate.ts';
import { connectDirect, type DirectOptions } from '../../functions/_shared/direct.ts';
import { runDocuments } from '../../functions/_shared/ledger.ts';
import { setUpDatabase } from '../support/database.ts';
import { endless } from '../support/deadline.ts';
import { certificateFor, startTls } from '../support/tls-server.ts';

type Certificate = Awaited<ReturnType<typeof certificateFor>>;

const db = setUpDatabase();
let folder: string;
let right: Certificate;
let other: Certificate;
/** Connection strings: with the certificate of localhost, with that of another host, and without TLS. */
let verifiable: string;
let misnamed: string;
let plain: string;
const close: (() => Promise<void>)[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nightshift-tls-'));
  [right, other] = await Promise.all([certificateFor('localhost'), certificateFor('db.example')]);
  await writeFile(join(folder, 'right.crt'), right.cert);
  await writeFile(join(folder, 'other.crt'), other.cert);
  const servers = [await startTls(db.url, right), await startTls(db.url, other)];
  [verifiable = '', misnamed = ''] = servers.map(({ url, close: end }) => {
    close.push(end);
    return url;
  });
  plain = db.url;
});
afterAll(async () => {
  for (const end of close) await end();
  await rm(folder, { recursive: true });
});

const ask = (url: string, query = '', options: DirectOptions = {}) =>
  connectDirect(`${url}${query}`, endless(60_000), options).call('list_runs', {}, runDocuments, {
    timeoutMs: () => 10_000,
    retry: () => false,
  });
const byAddress = (url: string) => url.replace('@localhost:', '@127.0.0.1:');
const file = (name: string) => `&sslrootcert=${encodeURIComponent(join(folder, name))}`;

describe('a connection whose server proves its name', () => {
  it('is made with the file of its certificate, and with its text', async () => {
    expect(await ask(verifiable, `?sslmode=verify-full${file('right.crt')}`)).toEqual([]);
    expect(await ask(verifiable, '', { ca: right.cert })).toEqual([]);
  });

  it('is made to another name where only the authority counts', async () => {
    expect(await ask(misnamed, `?sslmode=verify-ca${file('other.crt')}`)).toEqual([]);
  });

  it('is encrypted all the same where nothing is verified', async () => {
    expect(await ask(verifiable, '?sslmode=require')).toEqual([]);
  });
});

describe('a connection whose server does not', () => {
  const cannot = /has a certificate that could not be verified/;
  it.each<[string, () => Promise<unknown>]>([
    ['that signed its own', () => ask(verifiable, '?sslmode=verify-full')],
    ['of another authority', () => ask(verifiable, '', { ca: other.cert })],
    [
      'of a name, by its address',
      () => ask(byAddress(verifiable), `?sslmode=verify-full${file('right.crt')}`),
    ],
    ['of another host', () => ask(misnamed, `?sslmode=verify-full${file('other.crt')}`)],
  ])('is refused with what to pass: %s', async (_, attempt) => {
    await expect(attempt()).rejects.toMatchObject({
      code: 'NS502',
      message: expect.stringMatching(cannot),
      hint: expect.stringMatching(/sslmode=verify-full&sslrootcert=.*NIGHTSHIFT_DATABASE_CA/),
      retryable: false,
    });
  });

  it('is refused by migrate in the same words', async () => {
    await expect(migrate(`${verifiable}?sslmode=verify-full`)).rejects.toMatchObject({
      code: 'NS422',
      message: expect.stringMatching(cannot),
    });
  });

  it('is told from one that speaks no TLS at all', async () => {
    await expect(ask(plain, '?sslmode=require')).rejects.toMatchObject({
      message: expect.stringMatching(/takes no encrypted connection/),
      hint: expect.stringContaining('sslmode=disable'),
    });
    await expect(ask(plain, '', { ca: right.cert })).rejects.toMatchObject({
      message: expect.stringMatching(/takes no encrypted connection/),
    });
  });
});
