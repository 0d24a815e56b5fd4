import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { runPurge } from '../support/purge.ts';

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const partitions = 4;

/** Tables of four partitions, each of which refers to the one before it, all with a policy. */
async function createChain(tables: number): Promise<void> {
  const policies = Array.from({ length: tables }, (_, n) => [
    `create table app.t_${n} (id bigint primary key, deleted_at timestamptz, parent_id bigint
      ${n > 0 ? `references app.t_${n - 1}` : ''}) partition by range (id)`,
    ...Array.from(
      { length: partitions },
      (_, p) =>
        `create table app.t_${n}_${p} partition of app.t_${n} for values from (${10 * p}) to (${10 * p + 10})`,
    ),
    `create index on app.t_${n} (deleted_at)`,
    `create index on app.t_${n} (parent_id)`,
    `insert into nightshift.retention_policies (relation, drop_after, marker_column) values ('app.t_${n}', '30 days', 'deleted_at')`,
  ]);
  await db.sql.unsafe(policies.flat().join(';'));
}

describe('the plan', () => {
  /** How often functions were called for a plan. */
  const callsOfPlan = () =>
    db.sql.begin(async (sql) => {
      await sql`set local track_functions = 'all'`;
      const [begun] =
        await sql`select nightshift.begin_run('retention-purge', 'cli', dry_run => true) -> 'run' as run`;
      const { id, fence } = begun?.run ?? {};
      const [planned] = await sql`select nightshift.plan_retention_purge(${id}, ${fence}) as plan`;
      const calls = await sql<{ funcname: string; calls: number }[]>`
        select funcname, calls::integer from pg_stat_xact_user_functions where schemaname = 'nightshift'`;
      await sql`select nightshift.finish_run(${id}, ${fence}, 'succeeded')`;
      return {
        order: planned?.plan.policies.map(({ relation }: { relation: string }) => relation),
        calls: Object.fromEntries(calls.map(({ funcname, calls }) => [funcname, calls])),
      };
    });

  it('looks at each policy and each key once, however many there are', async () => {
    await createChain(12);
    const { calls, order } = await callsOfPlan();
    expect(order).toEqual(Array.from({ length: 12 }, (_, n) => `app.t_${11 - n}`));
    expect(calls).toMatchObject({
      purge_order: 1,
      purge_keys: 1,
      referencing_keys: 12,
      are_related: 11,
    });
    // The family of each policy's table, and of the table that each key refers to.
    expect(calls.partitions_below).toBe(12 + 11);
  });
});

describe('a table that cannot be measured', () => {
  it('costs that table alone', async () => {
    await createChain(3);
    await db.sql.unsafe(`
      insert into app.t_0 values (1, now() - interval '40 days');
      insert into app.t_2 values (1, now() - interval '40 days');
      alter table app.t_1 rename column deleted_at to gone_at`);
    const { run, report } = await runPurge(db);
    expect(run.status).toBe('partial');
    expect(report.steps).toMatchObject([
      { relation: 'app.t_2', status: 'succeeded', rowsPurged: 1 },
      { relation: 'app.t_1', status: 'failed', error: { code: 'NS422' } },
      { relation: 'app.t_0', status: 'succeeded', rowsPurged: 1 },
    ]);
  });
});
