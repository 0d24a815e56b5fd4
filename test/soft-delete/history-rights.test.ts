import { afterAll, beforeAll, expect, it } from 'vitest';
import { setUpDatabase } from '../support/database.ts';
import { runMaintenance } from '../support/partitions.ts';

const db = setUpDatabase();
let family: string[];

/** The history with all that it can have: a default partition, months ahead, an old month, and one that was retired. */
beforeAll(async () => {
  await db.sql.unsafe(`
    drop role if exists nightshift_table_owner;
    drop role if exists nightshift_like_postgres;
    create role nightshift_table_owner;
    -- What postgres is on hosted Supabase, where somebody else has installed Nightshift.
    create role nightshift_like_postgres createrole createdb bypassrls in role pg_monitor, pg_read_all_data, pg_signal_backend;
    create schema app;
    create table app.notes (id integer primary key);
    insert into app.notes select generate_series(1, 3);
    select nightshift.enable_soft_delete('app.notes', for_users => true);
    select nightshift.create_missing_partitions('nightshift.deletion_events', now() - interval '15 months');
    select nightshift.soft_delete('app.notes', '[1, 2]');
    create table app.owned (id integer primary key);
    alter table app.owned owner to nightshift_table_owner;
    grant usage, create on schema app to nightshift_table_owner, nightshift_like_postgres;
  `);
  await runMaintenance(db);
  const rows = await db.sql<{ name: string }[]>`
    select c.oid::regclass::text as name from pg_class c
    where c.relnamespace = 'nightshift'::regnamespace and c.relname like 'deletion\\_events%' and c.relkind in ('r', 'p')`;
  family = rows.map(({ name }) => name);
  expect(family.length).toBeGreaterThan(15);
});
afterAll(() =>
  db.sql.unsafe(`
    drop owned by nightshift_table_owner, nightshift_like_postgres;
    drop role nightshift_table_owner, nightshift_like_postgres;
  `),
);

it.each([
  'anon',
  'authenticated',
  'service_role',
  'nightshift_runner',
  'nightshift_table_owner',
  'nightshift_like_postgres',
])(
  '%s can neither write, change, empty nor take apart the history, in none of its partitions',
  async (role) => {
    const connection = db.connect();
    const before = await db.sql`select * from nightshift.deletion_events order by id`;
    expect(before).toHaveLength(1);
    const allowed: string[] = [];
    for (const table of family) {
      for (const statement of [
        `insert into ${table} (at, action, relation_name, rows) values (now(), 'purge', 'app.notes', 1)`,
        `insert into ${table} (id, at, action, relation_name, rows) overriding system value values (1, now(), 'purge', 'app.notes', 1)`,
        `update ${table} set reason = 'made up' where true`,
        `delete from ${table} where true`,
        `truncate ${table}`,
        `alter table ${table} add column more text`,
        `create trigger mine before insert on ${table} for each row execute function suppress_redundant_updates_trigger()`,
        `drop table ${table}`,
      ]) {
        const refused = await connection
          .begin(async (sql) => {
            await sql.unsafe(`set local role ${role}`);
            await sql.unsafe(statement);
          })
          .then(() => undefined)
          .catch((thrown: { code?: string }) => thrown.code);
        if (refused !== '42501') allowed.push(`${statement}: ${refused}`);
      }
    }
    expect(allowed).toEqual([]);
    expect(await db.sql`select * from nightshift.deletion_events order by id`).toEqual(before);
  },
);

it('belongs to the owner of Nightshift in every part, also after it was handed over', async () => {
  const owners = () => db.sql`
    select distinct c.relowner::regrole::text as owner from pg_class c
    where c.relnamespace = 'nightshift'::regnamespace and c.relkind in ('r', 'p', 'S')`;
  const [{ owner } = {}] = await db.sql`select current_user as owner`;
  expect(await owners()).toEqual([{ owner }]);
  await db.sql.begin(async (sql) => {
    await sql`select nightshift.hand_over('nightshift_table_owner')`;
    expect(
      await sql`
        select distinct c.relowner::regrole::text as owner from pg_class c
        where c.relnamespace = 'nightshift'::regnamespace and c.relkind in ('r', 'p', 'S')`,
    ).toEqual([{ owner: 'nightshift_table_owner' }]);
    await sql`select nightshift.hand_over(${owner})`;
  });
  expect(await owners()).toEqual([{ owner }]);
});
