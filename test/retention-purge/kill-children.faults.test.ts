import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { expireLease, setUpDatabase, startAfresh } from '../support/database.ts';
import { propertyRuns } from '../support/property.ts';
import {
  auditDeletes,
  closeGate,
  deletedIds,
  endApiSessions,
  runPurge,
  startPurge,
} from '../support/purge.ts';
import { range } from '../support/rows.ts';
import { apiIsIdle, until } from '../support/waiting.ts';

const db = setUpDatabase();
let child: ChildProcess | undefined;
beforeAll(async () => {
  // A batch may stand at the gate for as long as this machine takes to kill a process.
  await db.sql`alter function nightshift.purge_batch set statement_timeout = 0`;
});
afterEach(() => {
  child?.kill('SIGKILL');
});

const orderCount = 4_000;
/** Of forty orders, one is kept by an invoice, and one is not due. */
const goes = (id: number) => id % 40 > 1;
const dueIds = range(1, orderCount).filter(goes);

/** Orders with two items each that go with them, and an entry in the audit that lets them go, as do orders that replace others. */
async function createOrders(): Promise<void> {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    create table app.orders (id integer primary key, replaces integer, deleted_at timestamptz);
    create table app.items (id integer primary key, order_id integer references app.orders on delete cascade);
    create table app.audit (id integer primary key, order_id integer references app.orders on delete set null);
    create table app.invoices (order_id integer primary key references app.orders);
    insert into app.orders
    select id, 1 + (id + 17) % ${orderCount}, case when id % 40 > 0 then now() - interval '40 days' + id * interval '1 second' end
    from generate_series(1, ${orderCount}) id;
    insert into app.items select id, 1 + id % ${orderCount} from generate_series(0, ${2 * orderCount - 1}) id;
    insert into app.audit select id, id from generate_series(1, ${orderCount}) id;
    insert into app.invoices select id from app.orders where id % 40 = 1;
    alter table app.orders add foreign key (replaces) references app.orders on delete set null;
    create index on app.orders (deleted_at);
    create index on app.orders (replaces);
    create index on app.items (order_id);
    create index on app.audit (order_id);
    analyze app.orders, app.items, app.audit, app.invoices;
    select nightshift.add_retention_policy('app.orders', '30 days', max_fraction => 1,
      with_children => array['app.items'], release => array['app.audit', 'app.orders(replaces)']);
  `);
  await auditDeletes(db.sql, 'app.orders');
}

/** What is gone, what is left where it should not be, and what the ledger says of it. */
async function account() {
  const [state] = await db.sql`
    with went as (select id from generate_series(1, ${orderCount}) id except select id from app.orders)
    select
      (select count(*)::int from went) as orders,
      (select 2 * ${orderCount} - count(*)::int from app.items) as items,
      (select count(*)::int from app.audit where order_id is null) as released,
      (select count(*)::int from app.items where order_id in (select id from went)) as orphans,
      (select count(*)::int from app.orders o where (select count(*) from app.items i where i.order_id = o.id) <> 2) as robbed,
      (select count(*)::int from app.audit where (order_id is null) <> (id in (select id from went)) or order_id <> id) as mistaken,
      (select ${orderCount} - count(*)::int from app.audit) as lost,
      (
        select count(*)::int from app.orders o
        where (o.replaces is null) <> (1 + (o.id + 17) % ${orderCount} in (select id from went))
      ) as misled`;
  const [ledger] = await db.sql`
    select coalesce(sum((s ->> 'rowsPurged')::int), 0)::int as orders,
      coalesce(sum((s #>> '{children,app.items}')::int), 0)::int as items,
      coalesce(sum((s #>> '{released,app.audit}')::int), 0)::int as released
    from nightshift.runs r cross join lateral (select r.progress #> '{steps,app.orders}' as s) s
    where r.started_at >= (select created_at from nightshift.retention_policies)`;
  return { state, ledger };
}

async function checkAccount(): Promise<void> {
  const { state, ledger } = await account();
  expect(state).toEqual({ ...ledger, orphans: 0, robbed: 0, mistaken: 0, lost: 0, misled: 0 });
}

/** Where a batch can be stopped: when an order goes, an item goes, or a reference is released. */
const places = [
  { table: 'app.orders', candidates: 'select id from app.orders where id % 40 > 1' },
  { table: 'app.items', candidates: 'select id from app.items where order_id % 40 > 1' },
  { table: 'app.audit', candidates: 'select id from app.audit where order_id % 40 > 1' },
];

const moments = fc.record({
  place: fc.constantFrom(...places),
  pick: fc.nat(),
  /** Only what asked is killed, or also the session of the server that is about to do it. */
  kills: fc.constantFrom('process', 'process and session'),
});

const { numRuns, timeoutMs, seed } = propertyRuns(1, 60);

describe('a purge with children and released references that is killed at any moments', () => {
  it(
    'leaves whole what it leaves, counts what is gone, and ends with all that is due gone, once',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(moments, { minLength: 2, maxLength: 4 }), async (kills) => {
          await createOrders();
          for (const { place, pick, kills: victim } of kills) {
            const { table, candidates } = place;
            const left = await db.sql.unsafe<{ id: number }[]>(`${candidates} order by id`);
            const id = left[pick % left.length]?.id;
            if (id === undefined) break;
            const gate = await closeGate(db, table, id);
            child = await startPurge(db);
            const closed = once(child, 'close');
            await gate.reached();
            if (victim === 'process and session') await endApiSessions(db.sql);
            child.kill('SIGKILL');
            await closed;
            await gate.open();
            await until('the server is done with what is left', () => apiIsIdle(db.sql));
            await checkAccount();
            await db.sql.unsafe(`drop trigger gate on ${table}`);
            await expireLease(db.sql);
          }
          expect((await runPurge(db)).run.status).toBe('partial');
          await checkAccount();
          expect(await deletedIds(db.sql)).toEqual(dueIds);
        }),
        { numRuns, seed, endOnFailure: true },
      );
    },
    timeoutMs * 4,
  );
});
