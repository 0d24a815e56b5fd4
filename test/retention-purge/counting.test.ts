import type { Sql } from 'postgres';
import { beforeEach, describe, expect, it } from 'vitest';
import { beginBatches } from '../support/batches.ts';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { runPurge, stepOf } from '../support/purge.ts';
import { lookAgain } from '../support/status.ts';

const items = 'app.items';
const dueCount = 25_000;

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const declare = (maxFraction: number) =>
  db.sql`select nightshift.add_retention_policy(${items}, '30 days', max_fraction => ${maxFraction})`;

describe('a large table of which much is due', () => {
  // More than 32 MB, 42% of it due.
  beforeEach(() =>
    db.sql.unsafe(`
      create table app.items (id integer primary key, deleted_at timestamptz, filler text not null);
      insert into app.items
      select id, case when id % 12 < 5 then now() - interval '40 days' - id * 7919 % 60000 * interval '1 second' end, repeat('x', 700)
      from generate_series(1, 60000) id;
      create index on app.items (deleted_at);
      analyze app.items;
    `),
  );

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

  it('keeps its promise in the status after such a purge', async () => {
    await declare(0.9);
    await runPurge(db);
    const { retention } = await lookAgain(db.sql);
    expect(retention.items).toMatchObject([
      {
        table: items,
        verdict: 'kept',
        sentence: 'Kept: nothing is left that is due.',
        residue: 0,
        estimated: true,
      },
    ]);
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

describe('a table of a few megabytes', () => {
  const rows = 20_000;

  beforeEach(() =>
    db.sql.unsafe(`
      create table app.items (id integer primary key, deleted_at timestamptz, filler text not null) with (autovacuum_enabled = off);
      insert into app.items select id, null, repeat('x', 100) from generate_series(1, ${rows}) id;
      create index on app.items (deleted_at);
      analyze app.items;
      select nightshift.add_retention_policy('app.items', '30 days');
    `),
  );

  /** What dies by it is known before the next statement: told later, a vacuum in between would not have removed it. */
  const mark = (marker: string, ids = '> 0') =>
    db.sql.unsafe(`
      update app.items set deleted_at = ${marker} where id ${ids};
      select pg_stat_force_next_flush()`);
  const markAsDue = (ids: string) => mark("now() - interval '40 days'", ids);

  /** What a run measures of the table, and the rows that it reads for it, by what reads them. */
  async function measure() {
    const session = db.connect();
    const before = await readOf(session);
    await beginBatches(session, items);
    const after = await readOf(session);
    const [run] = await db.sql`
      select progress #> array['backlogs', ${items}] as backlog from nightshift.runs where status = 'running'`;
    return {
      backlog: run?.backlog,
      byScan: after.byScan - before.byScan,
      byIndex: after.byIndex - before.byIndex,
    };
  }

  async function readOf(session: Sql): Promise<{ byScan: number; byIndex: number }> {
    await session`select pg_stat_force_next_flush()`;
    const [read] = await session<{ byScan: number; byIndex: number }[]>`
      select t.seq_tup_read::integer as "byScan", i.idx_tup_read::integer as "byIndex"
      from pg_stat_user_tables t join pg_stat_user_indexes i using (relid)
      where i.indexrelid = 'app.items_deleted_at_idx'::regclass`;
    if (!read) throw new Error('There are no figures of app.items');
    return read;
  }

  it('is not read where the index knows that nothing is due', async () => {
    expect(await measure()).toMatchObject({
      backlog: { dueRows: 0, dueRowsExact: true, totalRows: rows, totalRowsExact: false },
      byScan: 0,
      byIndex: 0,
    });
  });

  it('is not walked through from end to end by an index where a flag, too, decides what is due', async () => {
    await markAsDue('> 0');
    await db.sql`alter table app.items add column may_go boolean not null default false`;
    await db.sql`vacuum analyze app.items`;
    await db.sql`select nightshift.alter_retention_policy(${items}, flag_column => 'may_go')`;
    const { backlog, byIndex } = await measure();
    expect(backlog).toMatchObject({ dueRows: 0, dueRowsExact: true });
    expect(byIndex).toBe(0);
  });

  it('is not walked through for rows whose marker says never', async () => {
    await mark("'-infinity'");
    await db.sql`vacuum analyze app.items`;
    expect(await measure()).toMatchObject({
      backlog: { dueRows: 0, dueRowsExact: true },
      byScan: 0,
      byIndex: 0,
    });
  });

  it('is known to have grown since it was analyzed, so that the brake does not take it for a small one', async () => {
    await db.sql.unsafe(`
      truncate app.items;
      insert into app.items select id, null, repeat('x', 100) from generate_series(1, 200) id;
      analyze app.items;
      insert into app.items select id, null, repeat('x', 100) from generate_series(201, ${rows}) id`);
    const { backlog, byScan } = await measure();
    expect(byScan).toBe(0);
    expect(backlog).toMatchObject({ dueRows: 0, totalRowsExact: false });
    expect(backlog.totalRows / rows).toBeGreaterThan(0.8);
    expect(backlog.totalRows / rows).toBeLessThan(1.2);
  });

  it('is read once where something is due', async () => {
    await markAsDue('% 10 = 0');
    const { backlog, byScan, byIndex } = await measure();
    expect(backlog).toMatchObject({
      dueRows: rows / 10,
      dueRowsExact: true,
      totalRows: rows,
      totalRowsExact: true,
    });
    expect(byScan).toBe(rows);
    expect(byIndex).toBeLessThan(10);
  });

  it.each([
    ['one row is due, and it is the last one', async () => markAsDue(`= ${rows}`), 1],
    ['no index tells', async () => db.sql`drop index app.items_deleted_at_idx`, 0],
    [
      'it was never analyzed',
      async () =>
        db.sql.unsafe(`
          alter table app.items rename to items_before;
          create table app.items (like app.items_before including all);
          insert into app.items select * from app.items_before;
          select nightshift.remove_retention_policy('app.items_before');
          select nightshift.add_retention_policy('app.items', '30 days');
        `),
      0,
    ],
  ])('is counted where %s', async (_, change, dueRows) => {
    await change();
    expect(stepOf(await runPurge(db), items)).toMatchObject({ dueRows, rowsPurged: dueRows });
    const [run] = await db.sql`
      select progress #> array['backlogs', ${items}] as backlog from nightshift.runs order by started_at desc limit 1`;
    expect(run?.backlog).toMatchObject({
      dueRows,
      dueRowsExact: true,
      totalRows: rows,
      totalRowsExact: true,
    });
  });

  it('is counted for a dry run, since people read what it says', async () => {
    await runPurge(db, { dryRun: true });
    const [run] = await db.sql`
      select progress #> array['backlogs', ${items}] as backlog from nightshift.runs order by started_at desc limit 1`;
    expect(run?.backlog).toMatchObject({ dueRows: 0, totalRows: rows, totalRowsExact: true });
  });

  it('whose rows became due after the table was analyzed loses them all', async () => {
    await markAsDue('> 100');
    await db.sql`select nightshift.alter_retention_policy(${items}, max_fraction => 1)`;
    expect(stepOf(await runPurge(db), items)).toMatchObject({
      status: 'succeeded',
      rowsPurged: rows - 100,
      rowsLeft: 0,
      rowsLeftExact: true,
    });
  });
});
