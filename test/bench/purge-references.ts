import postgres from 'postgres';
import { deadlineIn, systemClock } from '../../functions/_shared/clock.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import { firstBatchRows } from '../../functions/retention-purge/batch-size.ts';
import { job } from '../../functions/retention-purge/job.ts';
import type { PurgeReport } from '../../functions/retention-purge/schema.ts';
import type { Stack } from '../../infra/local/stack.ts';
import { percentile, shareOf, timed, vacuumLoaded } from './measure.ts';

interface Scenario {
  name: string;
  tables: string;
  policy: string;
  /** What a person would write instead. */
  plain: string;
  rowsPurged: number;
  /** What the run ends with; `succeeded` unless it says something else. */
  status?: string;
  /** Statements after which the rows are as they are to be purged, while an older snapshot is held. */
  behindSnapshot?: string;
}

/** Odd, so that a median is one of the values. */
const rounds = 3;

const isDue = "deleted_at < now() - interval '30 days'";
const parents = (due: number, rows = 200_000) => `
  create table refs.parents (id bigint primary key, deleted_at timestamptz, payload text);
  insert into refs.parents
  select i, case when i <= ${due} then now() - interval '40 days' - i * interval '1 second' end, repeat('x', 100)
  from generate_series(1, ${rows}) i;
  create index on refs.parents (deleted_at);
`;
/** Rows that refer to parents that are not due. */
const holders = (name: string, due: number) => `
  create table refs.${name} (id bigint primary key, parent_id bigint references refs.parents);
  insert into refs.${name} select i, ${due} + i from generate_series(1, ${due}) i;
  create index on refs.${name} (parent_id);
`;
const policy =
  "select nightshift.add_retention_policy('refs.parents', '30 days', max_fraction => 1";

const scenarios: Scenario[] = [
  {
    name: 'oneKey',
    tables: parents(500_000, 1_000_000) + holders('first', 500_000),
    policy: `${policy})`,
    plain: `delete from refs.parents where ${isDue}`,
    rowsPurged: 500_000,
  },
  {
    name: 'twoKeys',
    tables: parents(500_000, 1_000_000) + holders('first', 500_000) + holders('second', 500_000),
    policy: `${policy})`,
    plain: `delete from refs.parents where ${isDue}`,
    rowsPurged: 500_000,
  },
  {
    name: 'children',
    tables: `${parents(50_000)}
      create table refs.children (id bigint primary key, parent_id bigint references refs.parents);
      insert into refs.children select i, 1 + i % 200000 from generate_series(1, 600000) i;
      create index on refs.children (parent_id);
    `,
    policy: `${policy}, with_children => array['refs.children'])`,
    plain: `
      with gone as (
        delete from refs.children c using refs.parents p where p.id = c.parent_id and p.${isDue}
      )
      delete from refs.parents where ${isDue}`,
    rowsPurged: 50_000,
  },
  {
    name: 'chain',
    tables: `${parents(60_000)}
      alter table refs.parents add column previous bigint references refs.parents;
      update refs.parents set previous = nullif(id - 1, 0) where id <= 60000;
      create index on refs.parents (previous);
    `,
    policy: `${policy})`,
    plain: `delete from refs.parents where ${isDue}`,
    rowsPurged: 60_000,
  },
  {
    name: 'sparse',
    tables: `
      create table refs.parents (id bigint primary key, deleted_at timestamptz, payload text);
      insert into refs.parents
      select i, case when i % 20 = 0 then now() - interval '40 days' - i::bigint * 7919 % 1000000 * interval '1 second' end, repeat('x', 150)
      from generate_series(1, 1000000) i;
      create index on refs.parents (deleted_at);
    `,
    policy: `${policy})`,
    plain: `delete from refs.parents where ${isDue}`,
    rowsPurged: 50_000,
  },
  {
    name: 'blocked',
    tables: `${parents(100_000)}
      create table refs.holders (id bigint primary key, parent_id bigint references refs.parents);
      insert into refs.holders select i, 20 * i from generate_series(1, 5000) i;
      create index on refs.holders (parent_id);
    `,
    policy: `${policy})`,
    plain: `
      delete from refs.parents p
      where ${isDue} and not exists (select from refs.holders h where h.parent_id = p.id)`,
    rowsPurged: 95_000,
    status: 'partial',
  },
  {
    name: 'oldSnapshot',
    tables: parents(100_000),
    policy: `${policy})`,
    behindSnapshot: `
      delete from refs.parents where ${isDue};
      update refs.parents set deleted_at = now() - interval '40 days' where id > 190000`,
    plain: `delete from refs.parents where ${isDue}`,
    rowsPurged: 10_000,
  },
  {
    name: 'nothingDue',
    tables: parents(0) + holders('first', 100_000),
    policy: `${policy})`,
    plain: `delete from refs.parents where ${isDue}`,
    rowsPurged: 0,
  },
];

/** How long a purge takes where rows refer to each other, and what share that is of a plain DELETE of the same rows. */
export async function benchReferences(
  stack: Stack,
  sql: postgres.Sql,
  say: (text: string) => void,
): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  for (const scenario of scenarios) {
    say(`beside what a person would write: ${scenario.name}`);
    const plain: number[] = [];
    const ours: number[] = [];
    const direct: number[] = [];
    for (let n = 1; n <= rounds; n++) {
      plain.push(await timeLoaded(stack, sql, scenario, () => sql.unsafe(scenario.plain)));
      ours.push(await timeLoaded(stack, sql, scenario, () => purge(stack, scenario)));
      if (scenario.name === 'sparse') {
        await load(sql, scenario);
        direct.push(await batchesMs(sql));
      }
    }
    Object.assign(figures, {
      [`${scenario.name}PlainMs`]: Math.round(percentile(plain, 0.5)),
      [`${scenario.name}NightshiftMs`]: Math.round(percentile(ours, 0.5)),
      ...shareOf(`${scenario.name}ShareOfPlain`, plain, ours),
      ...(direct.length > 0 && shareOf(`${scenario.name}DirectShareOfPlain`, plain, direct)),
    });
    await sql`drop schema refs cascade`;
    await sql`select nightshift.remove_retention_policy(relation) from nightshift.retention_policies where relation_name like 'refs.%'`;
  }
  return figures;
}

async function timeLoaded(
  stack: Stack,
  sql: postgres.Sql,
  scenario: Scenario,
  run: () => Promise<unknown>,
): Promise<number> {
  await load(sql, scenario);
  if (scenario.behindSnapshot === undefined) return timed(run);
  const holder = postgres(stack.databaseUrl, { max: 1, onnotice() {} });
  try {
    await holder`begin isolation level repeatable read`;
    await holder`select from refs.parents limit 1`;
    await sql.unsafe(scenario.behindSnapshot);
    return await timed(run);
  } finally {
    await holder.end();
  }
}

/** How long the batches alone take: without beginning, planning, counting and ending a run, and without the API. */
async function batchesMs(sql: postgres.Sql): Promise<number> {
  const only = ['refs.parents'];
  const [begun] = await sql`
    select nightshift.begin_run('retention-purge', 'cli', input => ${sql.json({ only })}) as begun`;
  const { id, fence } = begun?.begun.run ?? {};
  await sql`select nightshift.plan_retention_purge(${id}, ${fence}, ${only})`;
  await sql`select nightshift.measure_retention_backlog(${id}, ${fence}, ${only[0] ?? ''})`;
  const ms = await timed(async () => {
    for (let done = false; !done; ) {
      const [answer] = await sql`
        select nightshift.purge_batch(${id}, ${fence}, ${only[0] ?? ''}, ${firstBatchRows}) as batch`;
      done = answer?.batch.done;
    }
  });
  await sql`select nightshift.finish_run(${id}, ${fence}, 'succeeded')`;
  return ms;
}

async function load(sql: postgres.Sql, { tables, policy }: Scenario): Promise<void> {
  await sql.unsafe('drop schema if exists refs cascade; create schema refs');
  await sql`delete from nightshift.retention_policies where relation_name like 'refs.%'`;
  await sql.unsafe(tables);
  await sql.unsafe(policy);
  await vacuumLoaded(sql, 'refs');
}

async function purge(
  { gatewayUrl, secretKey }: Stack,
  { rowsPurged, status = 'succeeded' }: Scenario,
): Promise<void> {
  const deadline = deadlineIn(systemClock, 600_000);
  const { run } = await runJob(
    job,
    { trigger: 'cli', requestedBy: 'bench', input: { only: ['refs.parents'] } },
    {
      rpc: createRpc({ url: gatewayUrl, secretKey }, deadline),
      clock: systemClock,
      deadline,
      log: silentLog,
      metrics: noMetrics,
    },
  );
  const report = run.report as PurgeReport | null;
  if (run.status !== status || report?.rowsPurged !== rowsPurged) {
    throw new Error(`The purge ended ${run.status} after ${report?.rowsPurged} rows.`);
  }
}
