import { readFile } from 'node:fs/promises';
import { sign } from 'hono/jwt';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../functions/_shared/clock.ts';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { asRunner } from '../support/runner.ts';

/** What someone with a key did: undefined where it was refused. */
type Result = Promise<Record<string, unknown> | undefined>;

interface Holder {
  rpc(name: string, args?: Record<string, unknown>): Result;
  read(schema: string, table: string): Result;
  /** Sets a column of all rows to what it is. */
  write(schema: string, table: string, column: string, value: unknown): Result;
  remove(table: string): Result;
}

const rowsOf = (rows: unknown) =>
  Array.isArray(rows) && rows.length > 0 ? { rows: rows.length } : undefined;
const policy = { relation: 'public.orders', drop_after: '30 days' };

async function declare(holder: Holder): Result {
  const declared = await holder.rpc('add_retention_policy', policy);
  if (declared) {
    await holder.rpc('alter_retention_policy', { ...policy, drop_after: '40 days' });
    await holder.rpc('remove_retention_policy', { relation: policy.relation });
  }
  return declared;
}

async function purge(holder: Holder): Result {
  const begun = await holder.rpc('begin_run', { job: 'retention-purge', trigger: 'cli' });
  if (!begun) return undefined;
  const { id: run_id, fence } = begun.run as { id: string; fence: number };
  await holder.rpc('plan_retention_purge', { run_id, fence });
  const batch = { run_id, fence, relation: policy.relation, batch_rows: 100 };
  return holder.rpc('purge_batch', batch);
}

/** A table public.orders with rows that are due, and a policy where the line is about one. */
const lines: Record<string, { withPolicy?: true; act: (holder: Holder) => Result }> = {
  'run a job: begin, cancel, finish': {
    act: async (holder) => {
      const begun = await holder.rpc('begin_run', { job: 'health-check', trigger: 'cli' });
      if (!begun) return undefined;
      const { id: run_id, fence } = begun.run as { id: string; fence: number };
      if (!(await holder.rpc('cancel_run', { run_id }))) return undefined;
      return holder.rpc('finish_run', { run_id, fence, status: 'succeeded' });
    },
  },
  'delete rows that a policy says are due': { withPolicy: true, act: purge },
  'delete rows that no policy covers': { act: (holder) => holder.remove('orders') },
  'read rows of the application': { act: (holder) => holder.read('public', 'orders') },
  'write rows of the application': {
    act: (holder) => holder.write('public', 'orders', 'note', 'x'),
  },
  'bring soft-deleted rows back': {
    act: (holder) => holder.rpc('restore', { relation: policy.relation, keys: [1] }),
  },
  'read the ledger, the policies, the health': {
    act: async (holder) =>
      (await holder.rpc('list_runs')) &&
      (await holder.rpc('list_retention_policies')) &&
      holder.rpc('get_health', { only_checks: ['connections'] }),
  },
  'declare, change and remove a policy': { act: declare },
  'pause and unpause': {
    act: async (holder) => (await holder.rpc('pause')) && holder.rpc('unpause'),
  },
  'change what counts as unhealthy': {
    act: async (holder) =>
      (await holder.rpc('set_health_threshold', { check_name: 'connections', critical: 99 })) &&
      holder.rpc('remove_health_threshold', { check_name: 'connections' }),
  },
  'begin a run at another time than now, or with a lease of an hour': {
    act: async (holder) => {
      const run = { job: 'another', trigger: 'cli' };
      const ahead = await holder.rpc('begin_run', { ...run, as_of: '2999-01-01T00:00:00Z' });
      const long = await holder.rpc('begin_run', { ...run, lease_seconds: 3600 });
      return ahead ?? long;
    },
  },
  'read the tables of Nightshift': { act: (holder) => holder.read('nightshift', 'settings') },
  'write the tables of Nightshift': {
    act: (holder) => holder.write('nightshift', 'settings', 'paused', false),
  },
  'call the functions behind those that are called': { act: (holder) => holder.rpc('trim_runs') },
};

const db = setUpDatabase();
let holders: Record<string, Holder>;
beforeAll(async () => {
  await db.sql.unsafe(`
    create table public.orders (id integer primary key, note text, deleted_at timestamptz);
    create index on public.orders (deleted_at);
    alter table public.orders enable row level security;
    grant select, insert, update, delete on public.orders to service_role;
    select nightshift.enable_soft_delete('public.orders')`);
  const gateway = await db.gateway();
  const seconds = Math.floor(systemClock.nowMs() / 1_000);
  const user = { role: 'authenticated', sub: crypto.randomUUID(), exp: seconds + 600 };
  const { runnerToken } = await asRunner(gateway);
  const { publishableKey, secretKey, jwtSecret } = gateway;
  holders = {
    'publishable key': overApi(gateway.url, publishableKey),
    'token of a user': overApi(gateway.url, publishableKey, await sign(user, jwtSecret, 'HS256')),
    'runner token': overApi(gateway.url, publishableKey, runnerToken),
    'secret key': overApi(gateway.url, secretKey),
    'database owner': inSql(),
  };
});
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    truncate public.orders;
    insert into public.orders select n, 'x', case when n <= 3 then now() - interval '60 days' end from generate_series(1, 10) n;
    analyze public.orders`);
});

function overApi(url: string, apikey: string, token?: string): Holder {
  async function send(method: string, path: string, schema: string, body?: unknown): Result {
    const response = await fetch(`${url}/rest/v1/${path}`, {
      method,
      headers: {
        apikey,
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        'accept-profile': schema,
        'content-profile': schema,
        'content-type': 'application/json',
        prefer: 'return=representation',
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    if (response.ok) {
      const answer: unknown = text === '' ? {} : JSON.parse(text);
      return path.startsWith('rpc/') ? { ...Object(answer) } : rowsOf(answer);
    }
    // Refused because of who asks, and for no other reason.
    if (!text.includes('cannot set the time')) expect([401, 403], text).toContain(response.status);
    return undefined;
  }
  return {
    rpc: (name, args = {}) => send('POST', `rpc/${name}`, 'nightshift', args),
    read: (schema, table) => send('GET', table, schema),
    write: (schema, table, column, value) =>
      send('PATCH', `${table}?${column}=not.is.null`, schema, { [column]: value }),
    remove: (table) => send('DELETE', `${table}?id=not.is.null`, 'public'),
  };
}

function inSql(): Holder {
  const { sql } = db;
  return {
    rpc: async (name, args = {}) => {
      const values = Object.values(args) as never[];
      const names = Object.keys(args).map((arg, nth) => `${arg} => $${nth + 1}`);
      const [row] = await sql.unsafe(`select nightshift.${name}(${names}) as answer`, values);
      return { ...Object(row?.answer) };
    },
    read: async (schema, table) => rowsOf(await sql`select * from ${sql(schema)}.${sql(table)}`),
    write: async (schema, table, column, value) =>
      rowsOf(
        await sql`update ${sql(schema)}.${sql(table)} set ${sql(column)} = ${value as string} returning *`,
      ),
    remove: async (table) => rowsOf(await sql`delete from ${sql(table)} returning *`),
  };
}

/** The table of the document: what each line says of each key. */
const document = await readFile(new URL('../../docs/keys.md', import.meta.url), 'utf8');
const [[, ...keys] = [], , ...rows] = document
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

describe('docs/keys.md', () => {
  it('has a line for all that is tried here, and a column for each key', () => {
    expect(rows.map(([line]) => line)).toEqual(Object.keys(lines));
    expect(keys).toEqual(Object.keys(holders));
  });

  describe.each(rows.map(([line = '', ...cells]) => ({ line, cells })))(
    '$line',
    ({ line, cells }) => {
      it.each(keys.map((key, nth) => [key, cells[nth]] as const))('%s: %s', async (key, may) => {
        const { withPolicy, act } = lines[line] ?? {};
        if (withPolicy)
          await db.sql`select nightshift.add_retention_policy('public.orders', '30 days')`;
        const holder = holders[key];
        if (!act || !holder) throw new Error(`Nobody tries ${line} with ${key}`);
        expect((await act(holder)) ? 'yes' : 'no').toBe(may);
        const [left] =
          await db.sql`select count(*)::integer as due from public.orders where deleted_at is not null`;
        if (line.startsWith('delete')) expect(left?.due).toBe(may === 'yes' ? 0 : 3);
      });
    },
  );
});
