import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { runPurge, stepOf } from '../support/purge.ts';
import { idsOf } from '../support/rows.ts';

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const due = "now() - interval '40 days'";

/** Of 2,000 items 1,200 are due, more than the half that may go; of 2,000 orders 1,000. */
async function createTables(options = ''): Promise<void> {
  await db.sql.unsafe(`
    create table app.items (id integer primary key, deleted_at timestamptz);
    create table app.orders (id integer primary key, deleted_at timestamptz);
    insert into app.items select id, case when id <= 1200 then ${due} end from generate_series(1, 2000) id;
    insert into app.orders select id, case when id <= 1000 then ${due} end from generate_series(1, 2000) id;
    create index on app.items (deleted_at);
    create index on app.orders (deleted_at);
    select nightshift.add_retention_policy('app.items', '30 days' ${options});
    select nightshift.add_retention_policy('app.orders', '30 days');
  `);
}
const count = async (relation: string) => (await idsOf(db.sql, relation)).length;
const refused = expect.stringMatching(
  /^app\.items: at least \d+ of 2000 rows would go \(60%\), .*50%/,
);

describe('the brake', () => {
  it('leaves one table alone, with a hint, and the others go on', async () => {
    await createTables();
    const result = await runPurge(db);
    expect(result.run.status).toBe('partial');
    expect(stepOf(result, 'app.items')).toMatchObject({
      status: 'failed',
      rowsPurged: 0,
      rowsLeft: 1200,
      error: { code: 'NS428', message: refused, hint: expect.stringContaining('force') },
    });
    expect(stepOf(result, 'app.orders')).toMatchObject({ status: 'succeeded', rowsPurged: 1000 });
    expect([await count('app.items'), await count('app.orders')]).toEqual([2000, 1000]);
  });

  it('fails the run with NS428 where it leaves every table alone', async () => {
    await createTables();
    const { run, error } = await runPurge(db, { only: ['app.items'] });
    expect(run.status).toBe('failed');
    expect(error).toMatchObject({
      code: 'NS428',
      message: refused,
      // There is no other.
      detail: 'It was left alone: no more of it goes in this run.',
    });
    expect(run.error).toMatchObject({ code: 'NS428' });
  });

  it('says the same in a dry run', async () => {
    await createTables();
    const result = await runPurge(db, { dryRun: true });
    expect(result.run.status).toBe('partial');
    expect(result.report.rowsPurged).toBe(1000);
    expect(stepOf(result, 'app.items')).toMatchObject({
      status: 'partial',
      rowsPurged: 0,
      error: { code: 'NS428', message: refused },
    });
  });

  it('is passed with force for just that table, and by a policy that allows more', async () => {
    await createTables();
    const other = await runPurge(db, { force: ['app.orders'] });
    expect(stepOf(other, 'app.items')).toMatchObject({ rowsPurged: 0 });
    const forced = await runPurge(db, { force: ['app.items'] });
    expect(forced.report).toMatchObject({ rowsPurged: 1200, rowsLeft: 0 });

    await db.sql.unsafe(`
      insert into app.items select id, ${due} from generate_series(3001, 6000) id;
    `);
    expect((await runPurge(db, { only: ['app.items'] })).error).toMatchObject({ code: 'NS428' });
    await db.sql`select nightshift.alter_retention_policy('app.items', max_fraction => 1)`;
    expect((await runPurge(db)).report).toMatchObject({ rowsPurged: 3000, rowsLeft: 0 });
  });

  it('refuses to force a table that has no policy', async () => {
    await createTables();
    await expect(runPurge(db, { force: ['app.itmes'] })).rejects.toMatchObject({
      code: 'NS404',
      message: 'No retention policy for: app.itmes',
    });
  });

  it('lets a first purge pass once that was accepted when it was declared', async () => {
    await createTables(", first_purge => 'all'");
    expect((await runPurge(db)).report).toMatchObject({ rowsPurged: 2200, rowsLeft: 0 });
    await db.sql.unsafe(`
      insert into app.items select id, ${due} from generate_series(3001, 6000) id;
    `);
    expect((await runPurge(db, { only: ['app.items'] })).error).toMatchObject({ code: 'NS428' });
  });

  it('measures what would really go: held rows do not count', async () => {
    await db.sql.unsafe(`
      create table app.items (id integer primary key, deleted_at timestamptz);
      create table app.runs (id integer primary key, item_id integer references app.items);
      insert into app.items select id, case when id <= 2000 then ${due} end from generate_series(1, 2500) id;
      insert into app.runs select id, id from generate_series(1, 1900) id;
      create index on app.items (deleted_at);
      create index on app.runs (item_id);
      select nightshift.add_retention_policy('app.items', '30 days');
      create table app.others (id integer primary key, deleted_at timestamptz);
      insert into app.others select id, case when id <= 100 then ${due} end from generate_series(1, 1000) id;
      create index on app.others (deleted_at);
      select nightshift.add_retention_policy('app.others', '30 days');
    `);
    const dry = await runPurge(db, { dryRun: true });
    const real = await runPurge(db);
    for (const result of [dry, real]) {
      expect(stepOf(result, 'app.items')).toMatchObject({ rowsPurged: 100, rowsBlocked: 1900 });
      expect(stepOf(result, 'app.others')).toMatchObject({ rowsPurged: 100, rowsBlocked: 0 });
    }
    expect(real.run.status).toBe('partial');
  });

  it('counts children by their own table', async () => {
    await db.sql.unsafe(`
      create table app.orders (id integer primary key, deleted_at timestamptz);
      create table app.items (id integer primary key, order_id integer references app.orders);
      insert into app.orders select id, case when id <= 100 then ${due} end from generate_series(1, 2000) id;
      insert into app.items select id, 1 + id % 100 from generate_series(1, 1500) id;
      insert into app.items select id, 200 from generate_series(1501, 2000) id;
      create index on app.orders (deleted_at);
      create index on app.items (order_id);
      select nightshift.add_retention_policy('app.orders', '30 days', with_children => array['app.items']);
    `);
    const { error } = await runPurge(db);
    expect(error).toMatchObject({
      code: 'NS428',
      message: expect.stringMatching(/^app\.items: at least 1\d+ of 2000 rows would go/),
    });
    expect([await count('app.orders'), await count('app.items')]).toEqual([2000, 2000]);
  });

  it('does not let rows of the table that it leaves alone free what they refer to', async () => {
    await createTables();
    await db.sql.unsafe(`
      alter table app.items add order_id integer references app.orders;
      update app.items set order_id = id where id <= 50;
      create index on app.items (order_id);
    `);
    const dry = await runPurge(db, { dryRun: true });
    const real = await runPurge(db);
    for (const result of [dry, real]) {
      expect(stepOf(result, 'app.items')).toMatchObject({
        rowsPurged: 0,
        error: { code: 'NS428' },
      });
      expect(stepOf(result, 'app.orders')).toMatchObject({
        rowsPurged: 950,
        blockedBy: { 'items_order_id_fkey on app.items': 50 },
      });
    }
  });

  it('says nothing of tables of fewer than 1,000 rows', async () => {
    await db.sql.unsafe(`
      create table app.invites (id integer primary key, expires_at timestamptz not null);
      insert into app.invites values (1, ${due});
      create index on app.invites (expires_at);
      select nightshift.add_retention_policy('app.invites', '7 days', marker_column => 'expires_at');
    `);
    expect((await runPurge(db)).report).toMatchObject({ rowsPurged: 1, rowsLeft: 0 });
  });
});
