import { createClient } from '@supabase/supabase-js';
import { expect, it } from 'vitest';
import { restoreOperation, SoftDeleteError, softDelete } from '../../client/index.ts';
import type { Database } from './database.ts';

type Body = { keys: unknown[]; operation: string };
type Reply = { status?: number; body: unknown } | Error;

const operation = '019acf5e-0000-7000-8000-000000000000';
const asked = (keys: unknown[]) => [...new Set(keys)].length;
const deleted = ({ keys }: Body) => ({
  operation,
  deletedAt: '2026-11-29T00:00:00+00:00',
  deleted: asked(keys),
  alreadyDeleted: 0,
  repeated: 0,
  notFound: 0,
  cascaded: { 'app.order_lines': 2 },
});

/** A client of an API that answers as it is told, with the calls that it got. */
function clientOf(reply: (body: Body, call: number) => Reply) {
  const calls: Body[] = [];
  const fetch = async (url: string | URL | Request, init?: RequestInit) => {
    if (String(url).endsWith('/start_operation')) return Response.json(operation);
    const body = JSON.parse(String(init?.body));
    calls.push(body);
    const answer = reply(body, calls.length);
    if (answer instanceof Error) throw answer;
    return Response.json(answer.body, { status: answer.status ?? 200 });
  };
  const client = createClient<Database>('http://localhost', 'key', { global: { fetch } });
  return { client, calls };
}

const failure = (code: string, status: number) => ({
  status,
  body: { code, message: code, details: null, hint: null },
});

it('holds one batch of what a generator yields, and takes no key before the one ahead is deleted', async () => {
  const count = 100_000;
  let taken = 0;
  let answered = 0;
  let largest = 0;
  async function* keys() {
    for (let key = 0; key < count; key++) {
      taken++;
      largest = Math.max(largest, taken - answered);
      yield key;
    }
  }
  const { client, calls } = clientOf((body) => {
    answered += body.keys.length;
    return { body: deleted(body) };
  });
  const seen: number[] = [];
  const deletion = await softDelete(client, 'app.orders', keys(), {
    onProgress: (total, batch) => {
      expect(batch.deleted).toBe(1_000);
      seen.push(total.deleted);
    },
  });

  expect(largest).toBe(1_000);
  expect(calls).toHaveLength(100);
  expect(new Set(calls.map((call) => call.operation))).toEqual(new Set([operation]));
  expect(seen).toEqual(calls.map((_, index) => (index + 1) * 1_000));
  expect(deletion).toMatchObject({ deleted: count, cascaded: { 'app.order_lines': 200 } });
});

it('ends with what a generator throws, after the batches that went before', async () => {
  const broken = new Error('The list of keys broke off');
  async function* keys() {
    for (let key = 0; key < 2_500; key++) yield key;
    throw broken;
  }
  const { client, calls } = clientOf((body) => ({ body: deleted(body) }));
  await expect(softDelete(client, 'app.orders', keys(), { operation })).rejects.toBe(broken);
  expect(calls.map((call) => call.keys.length)).toEqual([1_000, 1_000]);
});

it('halves a batch that the database has no time for, and stays with the smaller size', async () => {
  const { client, calls } = clientOf((body) =>
    body.keys.length > 300 ? failure('57014', 500) : { body: deleted(body) },
  );
  const keys = Array.from({ length: 1_700 }, (_, key) => key);
  expect(await softDelete(client, 'app.orders', keys)).toMatchObject({ deleted: 1_700 });
  const sizes = calls.map((call) => call.keys.length);
  expect(sizes).toEqual([1_000, 500, 250, 250, 500, 250, 250, 250, 250, 200]);
  expect(calls.flatMap(({ keys }) => (keys.length > 300 ? [] : keys))).toEqual(keys);
});

it('restores an operation in smaller parts when the database has no time', async () => {
  const rows: unknown[] = [];
  const { client } = clientOf((body) => {
    const { max_rows: max, after } = body as unknown as { max_rows: number; after: unknown };
    rows.push([max, after]);
    if (max > 500) return failure('57014', 500);
    const next = after ? null : { relation: 'app.orders', key: { id: 500 } };
    return {
      body: { restored: { 'app.orders': 500 }, failed: [], parents: 0, replaced: 0, after: next },
    };
  });
  const { restored } = await restoreOperation(client, operation);
  expect(restored).toEqual({ 'app.orders': 1_000 });
  expect(rows).toEqual([
    [1_000, null],
    [500, null],
    [500, { relation: 'app.orders', key: { id: 500 } }],
  ]);
});

it.each<[string, Reply]>([
  ['a conflict', failure('NS425', 400)],
  ['a deadlock', failure('40P01', 500)],
  ['a lock', failure('55P03', 500)],
  ['too many requests', { status: 429, body: 'Slow down' }],
  ['a page of a proxy', { status: 503, body: 'Unavailable' }],
  ['an answer that is none', { body: [] }],
  ['a lost connection', new TypeError('fetch failed')],
])('tries again after %s', async (_, trouble) => {
  const { client, calls } = clientOf((body, call) =>
    call === 1 ? trouble : { body: deleted(body) },
  );
  expect(await softDelete(client, 'app.orders', 1)).toMatchObject({ deleted: 1 });
  expect(calls).toHaveLength(2);
});

it.each<[string, Reply, object]>([
  ['a refusal', failure('NS403', 400), { code: 'NS403', answerLost: false }],
  ['a firewall', { status: 403, body: 'Forbidden' }, { code: 'HTTP403' }],
  [
    'a schema that is not exposed',
    failure('PGRST106', 406),
    { hint: expect.stringMatching(/exposed schemas/) },
  ],
  [
    'want of rights',
    failure('42501', 403),
    { hint: expect.stringMatching(/to service_role.*Users/) },
  ],
  ['a row that alone takes too long', failure('57014', 500), { code: '57014' }],
])('ends at once after %s, with an error that has the operation', async (_, trouble, expected) => {
  const { client, calls } = clientOf(() => trouble);
  const error = await softDelete(client, 'app.orders', [1]).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(SoftDeleteError);
  expect(error).toMatchObject({ table: 'app.orders', operation, ...expected });
  expect(calls).toHaveLength(1);
});

it('stops when it is aborted, and closes where the keys come from', async () => {
  const abort = new AbortController();
  let closed = false;
  function* keys() {
    try {
      for (let key = 0; ; key++) yield key;
    } finally {
      closed = true;
    }
  }
  const { client, calls } = clientOf((body) => ({ body: deleted(body) }));
  const reason = new Error('Enough');
  const deletion = softDelete(client, 'app.orders', keys(), {
    signal: abort.signal,
    onProgress: ({ deleted }) => deleted === 2_000 && abort.abort(reason),
  });
  await expect(deletion).rejects.toBe(reason);
  expect(calls).toHaveLength(2);
  expect(closed).toBe(true);
});

it('stops when it is aborted during a pause between two tries', async () => {
  const abort = new AbortController();
  const reason = new Error('Enough');
  const { client, calls } = clientOf(() => {
    queueMicrotask(() => abort.abort(reason));
    return failure('NS425', 400);
  });
  const deletion = softDelete(client, 'app.orders', 1, { signal: abort.signal });
  await expect(deletion).rejects.toBe(reason);
  expect(calls).toHaveLength(1);
});
