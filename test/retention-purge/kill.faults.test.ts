import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expireLease, setUpDatabase, startAfresh } from '../support/database.ts';
import {
  auditDeletes,
  closeGate,
  deletedIds,
  endApiSessions,
  runPurge,
  startPurge,
} from '../support/purge.ts';
import { checksum, range } from '../support/rows.ts';
import { apiIsIdle, until } from '../support/waiting.ts';

const dueCount = 6_500;
const orderCount = 8_000;
/** In the second batch, and not the last, on either way through the table: by pages and by the marker. */
const gateId = 3_005;

const db = setUpDatabase();
let child: ChildProcess | undefined;
let gate: Awaited<ReturnType<typeof closeGate>>;
beforeAll(async () => {
  // A batch may stand at the gate for as long as this machine takes to kill a process.
  await db.sql`alter function nightshift.purge_batch set statement_timeout = 0`;
});
beforeEach(async () => {
  await startAfresh(db.sql);
  await createOrders();
  gate = await closeGate(db, 'app.orders', gateId);
});
afterEach(async () => {
  child?.kill('SIGKILL');
  await gate.open();
});

/**
 * Due rows between rows that stay, of two tables. The batch at the gate may take all that is left of them: what customers
 * are due have their turn after it.
 */
async function createOrders(): Promise<void> {
  await db.sql.unsafe(`
    create table app.customers (id integer primary key, deleted_at timestamptz);
    create table app.orders (
      id integer primary key, deleted_at timestamptz, note text not null, customer_id integer references app.customers
    );
    insert into app.customers select id, now() - interval '40 days' from generate_series(200001, 200010) id;
    create table app.order_lines (
      id integer primary key, order_id integer references app.orders on delete cascade, deleted_at timestamptz
    );
    insert into app.orders (id, deleted_at, note)
    select id, case when id <= ${dueCount} then now() - interval '40 days' + id * interval '1 second' end, md5(id::text)
    from generate_series(1, ${orderCount}) id order by id % 10;
    insert into app.order_lines
    select 100000 + id, id, case when id <= 100 then now() - interval '40 days' end
    from generate_series(1, ${orderCount}, 50) id;
    create index on app.customers (deleted_at);
    create index on app.orders (deleted_at);
    create index on app.orders (customer_id);
    create index on app.order_lines (deleted_at);
    create index on app.order_lines (order_id);
    analyze app.customers, app.orders, app.order_lines;
    select nightshift.add_retention_policy('app.customers', '30 days', max_fraction => 1);
    select nightshift.add_retention_policy('app.orders', '30 days', max_fraction => 0.9);
    select nightshift.add_retention_policy('app.order_lines', '30 days', max_fraction => 0.9);
  `);
  await auditDeletes(db.sql, 'app.customers');
  await auditDeletes(db.sql, 'app.orders');
  await auditDeletes(db.sql, 'app.order_lines');
}

/** What may go: not the due orders that a line not due refers to. */
const dueIds = [
  ...range(1, dueCount).filter((id) => id % 50 !== 1 || id <= 100),
  ...[100_001, 100_051],
  ...range(200_001, 200_010),
];
const survivors = `not id in (select unnest(array[${dueIds}]))`;

const stateOf = async () => [
  await checksum(db.sql, 'app.orders', survivors),
  await checksum(db.sql, 'app.order_lines', survivors),
];
const wholeState = async () => [
  await checksum(db.sql, 'app.orders'),
  await checksum(db.sql, 'app.order_lines'),
];

async function startRun(): Promise<ChildProcess> {
  child = await startPurge(db);
  return child;
}

/** All that a process has written to a stream so far. */
function collect(stream: Readable | null): () => string {
  let text = '';
  stream?.on('data', (chunk) => {
    text += chunk;
  });
  return () => text;
}

async function ledgerOf(status: string) {
  const [run] = await db.sql`
    select id, status, progress,
      (progress #>> '{steps,app.orders,batches}')::int as batches,
      (select sum((step.value ->> 'rowsPurged')::int)::int from jsonb_each(progress -> 'steps') step) as rows_purged
    from nightshift.runs where status = ${status} order by started_at desc limit 1`;
  return run;
}

/** Returns in the middle of a batch, with others of the run committed. */
async function midRun() {
  await gate.reached();
  expect((await ledgerOf('running'))?.batches).toBeGreaterThan(0);
}

describe('a run whose process is killed in mid-batch', () => {
  it('is marked lost by the next run, which deletes the rest, each row once and no other', async () => {
    const before = await stateOf();
    const run = await startRun();
    await midRun();
    run.kill('SIGKILL');
    await once(run, 'close');
    await gate.open();
    await until('the server is done with what the dead process asked for', () => apiIsIdle(db.sql));

    const died = await ledgerOf('running');
    const goneSoFar = await deletedIds(db.sql);
    expect(died?.rows_purged).toBe(goneSoFar.length);
    expect(goneSoFar.length).toBeGreaterThan(0);
    expect(goneSoFar.length).toBeLessThan(dueIds.length);

    expect((await runPurge(db)).outcome).toBe('skipped');
    await expireLease(db.sql);
    const next = await runPurge(db);
    expect(next.run.status).toBe('partial');
    expect(next.report.rowsPurged).toBe(dueIds.length - goneSoFar.length);

    const lost = await ledgerOf('lost');
    expect(lost).toEqual({ ...died, status: 'lost' });
    expect(await deletedIds(db.sql)).toEqual(dueIds);
    expect(await stateOf()).toEqual(before);
    expect(await wholeState()).toEqual(before);
  });

  it('leaves nothing behind that keeps the killed batch half done', async () => {
    const run = await startRun();
    await midRun();
    await endApiSessions(db.sql);
    run.kill('SIGKILL');
    await once(run, 'close');
    await until('the server is done with what is left', () => apiIsIdle(db.sql));
    const died = await ledgerOf('running');
    expect(died?.rows_purged).toBe((await deletedIds(db.sql)).length);
  });
});

describe('Ctrl-C on the command line', () => {
  it('lets the batch commit, ends the run as interrupted, and exits with 3', async () => {
    const before = await stateOf();
    const run = await startRun();
    const [output, errors] = [collect(run.stdout), collect(run.stderr)];
    await midRun();
    run.kill('SIGINT');
    await until('it has heard', async () => errors().includes('Stopping after'));
    const closed = once(run, 'close');
    await gate.open();
    const [code, signal] = await closed;
    expect({ code, signal }).toEqual({ code: 3, signal: null });
    expect(output()).toContain('interrupted');
    expect(errors()).toContain('The run was stopped with Ctrl-C');

    const interrupted = await ledgerOf('interrupted');
    const goneSoFar = await deletedIds(db.sql);
    expect(interrupted?.rows_purged).toBe(goneSoFar.length);
    expect(goneSoFar.length).toBeLessThan(dueIds.length);

    const next = await runPurge(db);
    expect(next.report.rowsPurged).toBe(dueIds.length - goneSoFar.length);
    expect(await deletedIds(db.sql)).toEqual(dueIds);
    expect(await wholeState()).toEqual(before);
  });
});
