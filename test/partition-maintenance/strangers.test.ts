import { afterAll, beforeEach, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';

const db = setUpDatabase();
const stranger = 'stranger_to_partitions';

beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    do $$ begin create role ${stranger}; exception when duplicate_object then null; end $$;
    drop owned by ${stranger};
    create table app.logs (id integer, at timestamptz, primary key (id, at)) partition by range (at);
    select nightshift.add_partition_policy('app.logs', '1 day', premake => 2);
    select nightshift.create_missing_partitions('app.logs');
    update nightshift.partition_policies set premake = 4;
    grant create, usage on schema app to ${stranger};
    grant references on all tables in schema app to ${stranger};
  `);
});
afterAll(() => db.sql.unsafe(`drop owned by ${stranger}; drop role ${stranger}`));

const referTo = (table: string) =>
  db.sql.unsafe(`
    set role ${stranger};
    create table app.theirs (id integer, at timestamptz, foreign key (id, at) references ${table});
    reset role;
  `);
const create = () =>
  db.sql`select nightshift.create_missing_partitions('app.logs') -> 'created' as made`;

it('no partition is made while a table of someone else refers to the table', async () => {
  await referTo('app.logs');
  await expect(create()).rejects.toMatchObject({
    code: 'NS422',
    message: `app.theirs belongs to ${stranger}`,
  });
});

it('partitions are made while one refers to a single partition, though none goes', async () => {
  const [partition] = await db.sql`
    select inhrelid::regclass::text as name from pg_inherits where inhparent = 'app.logs'::regclass order by 1`;
  await referTo(partition?.name);
  const [row] = await create();
  expect(row?.made).toHaveLength(2);
  await expect(db.sql`select nightshift.require_trusted_keys('app.logs')`).rejects.toMatchObject({
    code: 'NS422',
  });
  // Whom it keeps from that can end the policy, and go on with it when the key is gone.
  const alter = (enabled: boolean) =>
    db.sql`select nightshift.alter_partition_policy('app.logs', enabled => ${enabled})`;
  await alter(false);
  await expect(alter(true)).rejects.toMatchObject({ code: 'NS422' });
});
