import { existsSync } from 'node:fs';
import postgres from 'postgres';
import { systemClock } from '../../functions/_shared/clock.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc, type Rpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import { job } from '../../functions/partition-maintenance/job.ts';
import type { PartitionReport } from '../../functions/partition-maintenance/schema.ts';
import { exampleSeeds } from '../../infra/local/examples.ts';
import { startStack } from '../../infra/local/stack.ts';
import { percentile, round, timed } from './measure.ts';

const binaries = '/usr/lib/postgresql/15/bin';
/** Packages of Debian, and a file of each. */
const neededFiles = {
  'postgresql-15': `${binaries}/postgres`,
  'postgresql-15-partman': '/usr/share/postgresql/15/extension/pg_partman.control',
};

const sets = 200;
const setsFromNothing = 20;
const partitionsOfSet = 24;
const premake = 4;
/** Odd, for the median. Each adds a partition to every set. */
const rounds = 5;

const noDeadline = { remainingMs: () => Number.POSITIVE_INFINITY };
const users = 27_400;
const metricRows = 10_000_000;
const queryRounds = 9;

type PartitionFigures = Record<string, number | string>;

/** Beside pg_partman on one server; then a partitioned table beside the same rows in one piece. */
export async function benchPartitions(say: (text: string) => void): Promise<PartitionFigures> {
  const lacking = Object.entries(neededFiles)
    .filter(([, file]) => !existsSync(file))
    .map(([name]) => name);
  const packages = lacking.join(' and ');
  if (packages) say(`pg_partman is not measured: install the Debian packages ${packages}`);
  const besides = packages ? { pgPartman: 'not measured' } : await besidePgPartman(say);
  return { ...besides, ...(await queriesOfMonth(say)) };
}

async function besidePgPartman(say: (text: string) => void): Promise<PartitionFigures> {
  const stack = await startStack({
    // In between, `tidyCatalog` does the work of autovacuum. pg_partman holds the locks of all sets at once.
    server: { binaries, settings: { autovacuum: 'off', max_locks_per_transaction: '256' } },
  });
  const sql = postgres(stack.databaseUrl, { max: 1, onnotice() {} });
  try {
    await sql.unsafe(schemas);
    const [versions] = await sql`
      select extversion || ' on Postgres ' || current_setting('server_version') as text
      from pg_catalog.pg_extension where extname = 'pg_partman'`;
    say(`declaring ${sets} sets of ${partitionsOfSet} partitions, four ways`);
    const declared = await declareSets(sql);
    const rpc = createRpc({ url: stack.gatewayUrl, secretKey: stack.secretKey }, noDeadline);
    const { quiet, creating } = await nightsInTurns(sql, rpc, say);
    return {
      pgPartman: versions?.text,
      sets,
      partitionsOfSet,
      ...declared,
      ...sideBySide('quietNight', quiet),
      ...sideBySide('creatingNight', creating),
    };
  } finally {
    await sql.end();
    await stack.stop();
  }
}

type Competitor = 'ours' | 'pgPartman';
type Measured = Record<Competitor, number[]>;

function sideBySide(name: string, measured: Measured): PartitionFigures {
  const ours = percentile(measured.ours, 0.5);
  const pgPartman = percentile(measured.pgPartman, 0.5);
  return {
    [`${name}OursMs`]: round(ours),
    [`${name}PgPartmanMs`]: round(pgPartman),
    [`${name}OursToPgPartman`]: round(ours / pgPartman),
  };
}

const schemas = `
  create schema ours;
  create schema theirs;
  create schema ours_made;
  create schema theirs_made;
  create schema partman;
  create extension pg_partman schema partman;
`;

/** The same set four times over before the next one: nobody has the smaller catalog. */
async function declareSets(sql: postgres.Sql): Promise<PartitionFigures> {
  const months = await sql<{ name: string; from: string; to: string }[]>`
    select to_char(m, 'YYYY_MM') as name, m::date::text as from, (m + interval '1 month')::date::text as to
    from generate_series(${premake - partitionsOfSet + 1}::integer, ${premake}::integer) n,
      lateral (select date_trunc('month', now()) + make_interval(months => n)) l(m)`;
  const declare = (table: string, ahead: number) =>
    sql`select nightshift.add_partition_policy(${table}, '1 month', ${ahead})`;
  const createParent = (table: string) => sql`
    select partman.create_parent(${table}, 'at', 'native', 'monthly', p_premake := ${premake},
      p_jobmon := false, p_start_partition := ${months[0]?.from ?? ''})`;
  const adopting: Measured = { ours: [], pgPartman: [] };
  const making: Measured = { ours: [], pgPartman: [] };

  for (let n = 1; n <= sets; n++) {
    const set = (schema: string) => `${schema}.events_${n}`;
    for (const schema of ['ours', 'theirs', 'ours_made', 'theirs_made']) {
      await sql.unsafe(`
        create table ${set(schema)} (id bigint, at timestamptz, body text, primary key (id, at)) partition by range (at);
        create index on ${set(schema)} (at)`);
    }
    for (const schema of ['ours', 'theirs']) {
      const partitions = months.map(
        ({ name, from, to }) =>
          `create table ${set(schema)}_${name} partition of ${set(schema)} for values from ('${from}') to ('${to}')`,
      );
      await sql.unsafe(partitions.join(';'));
    }
    // It knows partitions by their names, and takes over none that is called otherwise.
    const renames = months.map(
      ({ name }) => `alter table ${set('theirs')}_${name} rename to events_${n}_p${name}`,
    );

    const adoptTheirs = async () => {
      await sql.unsafe(renames.join(';'));
      await createParent(set('theirs'));
    };
    const makeOurs = async () => {
      await declare(set('ours_made'), partitionsOfSet - 1);
      // On a busy machine they take longer than one call may.
      for (let done = false; !done; ) {
        const [row] = await sql`
          select (nightshift.create_missing_partitions(${set('ours_made')}) ->> 'done')::boolean as done`;
        done = row?.done;
      }
    };
    const ways = [
      { ms: adopting.ours, way: () => declare(set('ours'), premake) },
      { ms: adopting.pgPartman, way: adoptTheirs },
      { ms: making.ours, way: makeOurs },
      { ms: making.pgPartman, way: () => createParent(set('theirs_made')) },
    ];
    if (n > setsFromNothing) ways.length = 2;
    for (const { ms, way } of n % 2 ? ways : ways.toReversed()) ms.push(await timed(way));
    if (n % 20 === 0) await tidyCatalog(sql);
    // It makes one where it makes partitions; ours have none.
    await sql.unsafe(`drop table if exists ${set('theirs_made')}_default`);
  }
  await expectPartitions(sql, 'ours_made', setsFromNothing * partitionsOfSet);
  await dropMadeSets(sql);
  return { ...sideBySide('adoptingOneSet', adopting), ...sideBySide('makingOneSet', making) };
}

async function dropMadeSets(sql: postgres.Sql): Promise<void> {
  for (let n = 1; n <= setsFromNothing; n++) {
    await sql.unsafe(`
      select nightshift.remove_partition_policy('ours_made.events_${n}');
      delete from partman.part_config where parent_table = 'theirs_made.events_${n}';
      drop table ours_made.events_${n}, theirs_made.events_${n}, partman.template_theirs_made_events_${n}`);
  }
}

/** Each round one night on which nothing is due and one with a partition due in every set; the first only warms. */
async function nightsInTurns(sql: postgres.Sql, rpc: Rpc, say: (text: string) => void) {
  // It counts from now, in months of 30 days: what it takes the partitions that are there for.
  await sql`
    update partman.part_config set infinite_time_partitions = true, premake = round(
      extract(epoch from age(date_trunc('month', now()) + make_interval(months => ${premake}), now()))
      / extract(epoch from interval '1 month'))`;
  const ways: Record<Competitor, (due: number) => Promise<void>> = {
    ours: (due) => runOurs(rpc, due),
    pgPartman: async () => {
      await sql`select partman.run_maintenance(p_analyze := false, p_jobmon := false)`;
    },
  };
  const quiet: Measured = { ours: [], pgPartman: [] };
  const creating: Measured = { ours: [], pgPartman: [] };
  let expected = sets * partitionsOfSet;

  const night = async (n: number, measured: Measured, due: number) => {
    await tidyCatalog(sql);
    expected += due;
    const order = ['ours', 'pgPartman'] as const;
    for (const way of n % 2 ? order : order.toReversed()) {
      const ms = await timed(() => ways[way](due));
      say(`round ${n} of ${rounds}, ${due} partitions due, ${way}: ${Math.round(ms)} ms`);
      if (n > 0) measured[way].push(ms);
    }
    for (const schema of ['ours', 'theirs']) await expectPartitions(sql, schema, expected);
  };
  for (let n = 0; n <= rounds; n++) {
    await night(n, quiet, 0);
    await sql`update nightshift.partition_policies set premake = premake + 1`;
    await sql`update partman.part_config set premake = premake + 1`;
    await night(n, creating, sets);
  }
  return { quiet, creating };
}

async function runOurs(rpc: Rpc, due: number): Promise<void> {
  const { run } = await runJob(
    job,
    { trigger: 'cli', requestedBy: 'bench', input: {} },
    { rpc, clock: systemClock, deadline: noDeadline, log: silentLog, metrics: noMetrics },
  );
  const { partitionsCreated } = run.report as PartitionReport;
  if (run.status !== 'succeeded' || partitionsCreated !== due) {
    throw new Error(`The run ended ${run.status}, with ${partitionsCreated} partitions of ${due}.`);
  }
}

async function expectPartitions(sql: postgres.Sql, schema: string, expected: number) {
  const [row] = await sql`
    select count(*)::integer as n from pg_catalog.pg_inherits i
    join pg_catalog.pg_class c on c.oid = i.inhrelid
    where c.relkind = 'r' and c.relnamespace = ${schema}::regnamespace`;
  if (row?.n !== expected) {
    throw new Error(`Schema ${schema} was to have ${expected} partitions, but has ${row?.n}.`);
  }
}

async function tidyCatalog(sql: postgres.Sql): Promise<void> {
  await sql`vacuum (analyze) pg_catalog.pg_class, pg_catalog.pg_attribute, pg_catalog.pg_inherits, pg_catalog.pg_index,
    pg_catalog.pg_constraint, pg_catalog.pg_depend, pg_catalog.pg_type, pg_catalog.pg_partitioned_table,
    nightshift.partition_policies, partman.part_config`;
}

async function queriesOfMonth(say: (text: string) => void): Promise<PartitionFigures> {
  const stack = await startStack({ seeds: exampleSeeds });
  const sql = postgres(stack.databaseUrl, { max: 1, onnotice() {} });
  try {
    say(`loading ${metricRows.toLocaleString('en')} metrics, and two copies in one piece`);
    await sql`select nightshift_example.fill_coaching(${users}, 1000, ${metricRows})`;
    await sql.unsafe(copies);
    await sql`vacuum analyze public.daily_metrics, public.metrics_with_key, public.metrics_without_index`;
    return { metricRows, ...(await queriesInTurns(sql, say)) };
  } finally {
    await sql.end();
    await stack.stop();
  }
}

/** With the rows in the same order, so that a month lies together in all of them. */
const copies = `
  create table public.metrics_with_key as select * from public.daily_metrics;
  alter table public.metrics_with_key add primary key (user_id, recorded_date);
  create table public.metrics_without_index as select * from public.daily_metrics;
`;
const tables = {
  Partitioned: 'daily_metrics',
  WithPrimaryKey: 'metrics_with_key',
  WithoutIndex: 'metrics_without_index',
};
type Kind = keyof typeof tables;
const kinds = Object.keys(tables) as Kind[];

async function queriesInTurns(
  sql: postgres.Sql,
  say: (text: string) => void,
): Promise<PartitionFigures> {
  const [month] = await sql`
    select (date_trunc('month', now()) - interval '1 month')::date::text as from, date_trunc('month', now())::date::text as to`;
  const within = `recorded_date >= '${month?.from}' and recorded_date < '${month?.to}'`;
  const asked = await sql`select id from public.users order by random() limit ${queryRounds + 1}`;
  const queries = {
    monthOfUser: (table: string, user: string) =>
      `select * from public.${table} where ${within} and user_id = '${user}'`,
    monthOfAll: (table: string) =>
      `select count(*), sum(workout_minutes), avg(sleep_hours) from public.${table} where ${within}`,
  };

  const figures: PartitionFigures = {};
  for (const [name, query] of Object.entries(queries)) {
    say(`${name}, ${queryRounds} rounds`);
    const ms: Record<Kind, number[]> = { Partitioned: [], WithPrimaryKey: [], WithoutIndex: [] };
    for (const [n, { id }] of asked.entries()) {
      for (const kind of n % 2 ? kinds : kinds.toReversed()) {
        const elapsedMs = await timed(() => sql.unsafe(query(tables[kind], id)));
        if (n > 0) ms[kind].push(elapsedMs);
      }
    }
    const median = (kind: Kind) => percentile(ms[kind], 0.5);
    for (const kind of kinds) figures[`${name}${kind}Ms`] = round(median(kind));
    for (const kind of ['WithPrimaryKey', 'WithoutIndex'] as const) {
      figures[`${name}${kind}ToPartitioned`] = round(median(kind) / median('Partitioned'));
    }
    for (const kind of kinds) {
      const rows = await sql.unsafe(
        `explain (analyze, costs off, timing off, summary off) ${query(tables[kind], asked[0]?.id)}`,
      );
      const plan = rows.map((row): string => row['QUERY PLAN']);
      figures[`${name}${kind}Plan`] = plan
        .filter((line) => !/(Cond|^ *Filter):/.test(line))
        .join('\n');
    }
  }
  return figures;
}
