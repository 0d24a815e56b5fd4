import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDatabase, startAfresh, type TestDatabase } from '../support/database.ts';
import { readCheck } from '../support/health.ts';
import { runPurge, stepOf } from '../support/purge.ts';

/** A policy belongs to a table, by whatever name, and after that to the name. */
let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
});
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(
    `${create('app.orders')} select nightshift.add_retention_policy('app.orders', '90 days')`,
  );
});
afterAll(() => db.drop());

const create = (table: string, due = 1) => `
  create table ${table} (id integer primary key, deleted_at timestamptz);
  insert into ${table} select g, case when g <= ${due} then now() - interval '1 year' end from generate_series(1, 9) g;`;

const listed = async (): Promise<{ relation: string; problem?: { code: string } }[]> =>
  (await db.sql`select nightshift.list_retention_policies() as policies`)[0]?.policies;

const broken = async () =>
  (await readCheck(db.sql, 'policies_broken')).findings.filter(({ level }) => level !== 'ok');

describe('the policy of a table', () => {
  it('that was created anew goes on with the new one', async () => {
    await db.sql.unsafe(`drop table app.orders; ${create('app.orders', 3)}`);
    const result = await runPurge(db);
    expect(result.run.status).toBe('succeeded');
    expect(stepOf(result, 'app.orders').rowsPurged).toBe(3);
    expect(await broken()).toEqual([]);
  });

  it('that was renamed and created anew goes with the name it had last', async () => {
    await db.sql`alter table app.orders rename to "Sales"`;
    expect(await listed()).toMatchObject([{ relation: 'app."Sales"', dueRows: 1 }]);
    await db.sql.unsafe(
      `drop table app."Sales"; ${create('app.orders')} ${create('app."Sales"', 2)}`,
    );
    const { report } = await runPurge(db);
    expect(report.steps).toMatchObject([{ relation: 'app."Sales"', rowsPurged: 2 }]);
  });

  it('that was renamed does not go to another that took its name', async () => {
    await db.sql.unsafe(`alter table app.orders rename to orders_old; ${create('app.orders')}`);
    const { report } = await runPurge(db);
    expect(report.steps).toMatchObject([{ relation: 'app.orders_old', rowsPurged: 1 }]);
  });

  it('whose name another has taken says so, until it is said for which of them it is', async () => {
    const warnings = async () => {
      const { report } = await runPurge(db, { dryRun: true });
      return report.steps.flatMap(({ warnings }) => warnings);
    };
    await db.sql.unsafe(`alter table app.orders rename to orders_old; ${create('app.orders', 2)}`);
    const said = await warnings();
    expect(said).toEqual([expect.stringMatching(/^app.orders_old was called app.orders when/)]);
    expect(await warnings()).toEqual(said);
    await db.sql.unsafe(/select .*;$/.exec(said[0] ?? '')?.[0] ?? '');
    expect(await warnings()).toEqual([]);
  });

  it('that was replaced by a copy goes on with the copy once the other is gone', async () => {
    await db.sql.unsafe(`
      ${create('app.copy', 3)}
      alter table app.orders rename to orders_old; alter table app.copy rename to orders;`);
    expect(await listed()).toMatchObject([{ relation: 'app.orders_old' }]);
    await db.sql.unsafe('drop table app.orders_old');
    expect(await listed()).toMatchObject([{ relation: 'app.orders', dueRows: 3 }]);
  });

  it('is not asked about where a view has taken the name of its table', async () => {
    await db.sql.unsafe(
      'alter table app.orders rename to orders_base; create view app.orders as select * from app.orders_base',
    );
    const { report } = await runPurge(db);
    expect(report.steps).toMatchObject([{ relation: 'app.orders_base', warnings: [] }]);
  });

  it('that is gone shows its name, and goes to no view, and to no table with a policy of its own', async () => {
    await db.sql.unsafe('drop table app.orders; create view app.orders as select 1 as id');
    expect(await listed()).toMatchObject([{ relation: 'app.orders', problem: { code: 'NS404' } }]);
    const [finding] = await broken();
    expect(finding?.subject).toBe('retention of app.orders');
    await db.sql.unsafe(`
      drop view app.orders; ${create('app.new_orders')}
      select nightshift.add_retention_policy('app.new_orders', '90 days');
      alter table app.new_orders rename to orders;
    `);
    expect(await listed()).toHaveLength(2);
    await db.sql.unsafe((await broken())[0]?.fix ?? '');
    expect(await listed()).toMatchObject([{ relation: 'app.orders', dueRows: 1 }]);
  });
});
