import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { migrate } from '../../cli/installation/migrate.ts';
import { bootstrap, type LocalPostgres } from '../../infra/local/postgres.ts';
import { startOwnServer } from '../support/database.ts';

let server: LocalPostgres;
let sql: postgres.Sql;
beforeAll(async () => {
  server = await startOwnServer({ wal_level: 'logical', synchronous_commit: 'on' });
  const url = server.adminUrl();
  await bootstrap(url);
  await migrate(url);
  sql = postgres(url, { max: 1, onnotice() {} });
});
afterEach(() => sql`select pg_drop_replication_slot(slot_name) from pg_replication_slots`);
afterAll(async () => {
  await sql.end();
  await server.stop();
});

/** The messages of a publication since the slot was made, by their kind: I, U, D of pgoutput. */
async function sent(publication: string): Promise<Record<string, number>> {
  const rows = await sql<{ kind: string; count: number }[]>`
    select chr(get_byte(data, 0)) as kind, count(*)::int
    from pg_logical_slot_get_binary_changes('watch', null, null, 'proto_version', '1', 'publication_names', ${publication})
    where chr(get_byte(data, 0)) in ('I', 'U', 'D')
    group by 1`;
  return Object.fromEntries(rows.map(({ kind, count }) => [kind, count]));
}

it.each([
  ['its table, as the table', 'for table app.m with (publish_via_partition_root = true)'],
  ['its table, as its partitions', 'for table app.m'],
  ['all tables', 'for all tables'],
])('a row that moves reaches the subscribers of %s as often as it leaves them', async (_, what) => {
  await sql.unsafe(`
    drop publication if exists watched; drop schema if exists app cascade; create schema app;
    delete from nightshift.partition_policies;
    create table app.m (id integer, day date not null, note text, primary key (id, day)) partition by range (day);
    create table app.rest partition of app.m default;
    create function app.fired() returns trigger language plpgsql as $$ begin raise exception 'fired'; end $$;
    insert into app.m select n, '2026-01-05', 'x' from generate_series(1, 5) n;
    create trigger fired after insert or delete on app.m for each row execute function app.fired();
    create publication watched ${what};
    select nightshift.add_partition_policy('app.m', '1 month', premake => 1)`);
  await sql`select pg_create_logical_replication_slot('watch', 'pgoutput')`;
  const make = () =>
    sql`select nightshift.create_missing_partitions('app.m', '2026-02-15') ->> 'done' as done`;
  while ((await make())[0]?.done !== 'true');
  const { I: arrived, D: left } = await sent('watched');
  expect(left).toBe(5);
  expect(arrived).toBe(5);
  expect(await sql`select count(*)::int as n from app.m_2026_01`).toEqual([{ n: 5 }]);
  await expect(sql`delete from app.m`).rejects.toThrow('fired');
});
