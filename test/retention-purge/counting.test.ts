import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { runPurge, stepOf } from '../support/purge.ts';

const items = 'app.items';
const dueCount = 25_000;

const db = setUpDatabase();
beforeEach(async () => {
  await startAfresh(db.sql);
  // More than 32 MB, 42% of it due.
  await db.sql.unsafe(`
    create table app.items (id integer primary key, deleted_at timestamptz, filler text not null);
    insert into app.items
    select id, case when id % 12 < 5 then now() - interval '40 days' - id * 7919 % 60000 * interval '1 second' end, repeat('x', 700)
    from generate_series(1, 60000) id;
    create index on app.items (deleted_at);
    analyze app.items;
  `);
});

const declare = (maxFraction: number) =>
  db.sql`select nightshift.add_retention_policy(${items}, '30 days', max_fraction => ${maxFraction})`;

describe('a large table of which much is due', () => {
  it('is sampled before the purge, and not counted after one that met nothing which stays', async () => {
    await declare(0.9);
    const step = stepOf(await runPurge(db), items);
    expect(step).toMatchObject({
      status: 'succeeded',
      dueRowsExact: false,
      rowsPurged: dueCount,
      rowsLeft: 0,
      rowsLeftExact: false,
      overdueSeconds: null,
    });
    expect(step.dueRows / dueCount).toBeGreaterThan(0.8);
    expect(step.dueRows / dueCount).toBeLessThan(1.2);
  });

  it('is counted where a sample could be on the wrong side of the limit of the brake', async () => {
    await declare(0.47);
    expect(stepOf(await runPurge(db), items)).toMatchObject({
      dueRows: dueCount,
      dueRowsExact: true,
      rowsPurged: dueCount,
    });
  });

  it('is left alone where more would go than the brake allows', async () => {
    await declare(0.3);
    const { run } = await runPurge(db);
    expect(run).toMatchObject({ status: 'failed', error: { code: 'NS428' } });
  });

  it('is counted in a dry run', async () => {
    await declare(0.9);
    expect(stepOf(await runPurge(db, { dryRun: true }), items)).toMatchObject({
      dueRows: dueCount,
      dueRowsExact: true,
      rowsPurged: dueCount,
    });
  });

  it('is counted afterwards where a row was in use', async () => {
    await declare(0.9);
    const user = db.connect();
    await user`begin`;
    await user`select from app.items where id = 30000 for update`;
    expect(stepOf(await runPurge(db), items)).toMatchObject({
      status: 'partial',
      rowsPurged: dueCount - 1,
      rowsLeft: 1,
      rowsLeftExact: true,
    });
    await user`commit`;
  });
});
