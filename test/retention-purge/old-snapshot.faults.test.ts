import { expect, it } from 'vitest';
import { setUpDatabase } from '../support/database.ts';
import { runPurge, stepOf } from '../support/purge.ts';
import { until } from '../support/waiting.ts';

/** A dump or a long report keeps every row that is deleted meanwhile, and every index entry that leads to it. */
const db = setUpDatabase();

const table = 'public.events';
const firstNight = 210_000;
const secondNight = 20_000;

it('does not step over what earlier nights deleted while an old snapshot keeps it', async () => {
  const add = (rows: number, age: string) =>
    db.sql.unsafe(`
      insert into ${table} (at, note)
      select now() - interval '${age}' + interval '1 second' * g, repeat('x', 70) from generate_series(1, ${rows}) g;
      analyze ${table};`);
  await db.sql.unsafe(`
    create table ${table} (id integer generated always as identity primary key, at timestamptz not null, note text);
    create index events_at on ${table} (at);
    select nightshift.add_retention_policy('${table}', '30 days', 'at', max_fraction => 1);`);
  await add(firstNight, '90 days');
  await add(firstNight, '20 days');

  await db.connect().begin('isolation level repeatable read', async (snapshot) => {
    await snapshot`select count(*) from public.events`;
    expect(stepOf(await runPurge(db), table)).toMatchObject({
      rowsPurged: firstNight,
      rowsLeft: 0,
    });
    await add(secondNight, '60 days');
    const before = await entriesRead(firstNight);
    expect(stepOf(await runPurge(db), table)).toMatchObject({
      status: 'succeeded',
      rowsPurged: secondNight,
      rowsLeft: 0,
    });
    const after = await entriesRead(firstNight + secondNight);
    // Behind the dead ones are those that are due: whoever goes by the index passes all of them, several times.
    expect(after - before).toBeLessThan(firstNight / 2);
  });
});

/** How many entries of the index were read, once the server knows of so many deletions. */
async function entriesRead(deleted: number): Promise<number> {
  const ask = () => db.sql<{ deleted: number; entries: number }[]>`
    select n_tup_del::integer as deleted, idx_tup_read::integer as entries
    from pg_stat_user_tables t join pg_stat_user_indexes i using (relid) where i.indexrelname = 'events_at'`;
  await until('the deletions are counted', async () => ((await ask())[0]?.deleted ?? 0) >= deleted);
  return (await ask())[0]?.entries ?? 0;
}
