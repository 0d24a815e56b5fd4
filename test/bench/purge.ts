import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createClient } from '@supabase/supabase-js';
import postgres from 'postgres';
import * as z from 'zod';
import { type Stack, startStack } from '../../infra/local/stack.ts';
import { percentile, round, shareOf, timed, vacuumLoaded } from './measure.ts';
import { benchReferences } from './purge-references.ts';

const rows = 1_000_000;
const manyRows = 4_000_000;
/** Odd, so that a median is one of the values. */
const rounds = 5;
const roundsOfMany = 3;
const rowsOfSmallRun = 100_000;
/** One row at a time takes too long for all of them; the rate does not change with the number. */
const oneByOneSample = 2_000;

const processOutput = z.object({
  elapsedMs: z.number(),
  batchMs: z.array(z.number()),
  peakBytes: z.number(),
  status: z.string(),
  report: z.object({ rowsPurged: z.number(), rowsLeft: z.number() }),
});

/** Every way gets the same rows, freshly loaded and vacuumed, on the same server in the same run. */
export async function benchPurge(say: (text: string) => void): Promise<Record<string, number>> {
  const stack = await startStack({ setUp: createSchema });
  const sql = postgres(stack.databaseUrl, { max: 1, onnotice() {} });
  try {
    await declarePolicy(sql);
    await warmUp(stack);
    const many = await besidePlainDelete(stack, sql, {
      count: manyRows,
      rounds: roundsOfMany,
      say,
    });
    const { plainMs, literalMs, runs } = await besidePlainDelete(stack, sql, {
      count: rows,
      rounds,
      say,
    });
    const oursMs = percentile(elapsedMs(runs), 0.5);
    const batchMs = runs.flatMap((run) => run.batchMs);
    const dueRows = await countDue(sql);

    say('delete ... where id in (select ... limit 1000), over RPC');
    const limitLoopMs = await timed(() => limitLoop(stack));

    say(`one row at a time over the data API, ${oneByOneSample} of them`);
    await reload(sql);
    const oneByOneMs = await timed(() => oneByOne(stack));

    say(`Nightshift on ${rowsOfSmallRun} rows, for memory`);
    await load(sql, rowsOfSmallRun);
    const small = await runProcess(stack);
    await sql`select nightshift.remove_retention_policy('public.bench')`;
    const references = await benchReferences(stack, sql, say);

    const perSecond = (count: number, ms: number) => Math.round((count / ms) * 1000);
    return {
      rows,
      dueRows,
      plainDeleteRowsPerSecond: perSecond(dueRows, percentile(plainMs, 0.5)),
      nightshiftRowsPerSecond: perSecond(dueRows, oursMs),
      limitLoopRowsPerSecond: perSecond(dueRows, limitLoopMs),
      oneByOneRowsPerSecond: perSecond(oneByOneSample, oneByOneMs),
      ...shareOf('shareOfPlainDelete', plainMs, elapsedMs(runs)),
      ...shareOf('shareOfPlainDeleteWithLiteral', literalMs, elapsedMs(runs)),
      ...shareOf('shareOfPlainDeleteAt4mRows', many.plainMs, elapsedMs(many.runs)),
      ...shareOf('shareOfPlainDeleteWithLiteralAt4mRows', many.literalMs, elapsedMs(many.runs)),
      timesLimitLoop: round(limitLoopMs / oursMs),
      batches: Math.round(batchMs.length / rounds),
      batchP50Ms: round(percentile(batchMs, 0.5)),
      batchP99Ms: round(percentile(batchMs, 0.99)),
      batchMaxMs: round(percentile(batchMs, 1)),
      peakMegabytesAt100kRows: round(small.peakBytes / 2 ** 20),
      peakMegabytesAt1mRows: round(Math.max(...runs.map((run) => run.peakBytes)) / 2 ** 20),
      ...references,
    };
  } finally {
    await sql.end();
    await stack.stop();
  }
}

type Run = Awaited<ReturnType<typeof runProcess>>;

const elapsedMs = (runs: readonly Run[]) => runs.map((run) => run.elapsedMs);

/** The same rows in turns: by a DELETE as people write it, by one whose cutoff is a literal, and by Nightshift over RPC. */
async function besidePlainDelete(
  stack: Stack,
  sql: postgres.Sql,
  { count, rounds, say }: { count: number; rounds: number; say: (text: string) => void },
): Promise<{ plainMs: number[]; literalMs: number[]; runs: Run[] }> {
  await sql`drop table if exists public.keep`;
  await load(sql, count);
  await sql`create table public.keep as select * from public.bench`;
  const [cutoff] = await sql`select (now() - interval '30 days')::text as at`;
  const withLiteral = due.replace("now() - interval '30 days'", `'${cutoff?.at}'`);
  const plainMs: number[] = [];
  const literalMs: number[] = [];
  const runs: Run[] = [];
  for (let n = 1; n <= rounds; n++) {
    say(`${count.toLocaleString('en')} rows: a plain DELETE and Nightshift, ${n} of ${rounds}`);
    plainMs.push(await timed(() => sql.unsafe(`delete from public.bench where ${due}`)));
    await reload(sql);
    literalMs.push(await timed(() => sql.unsafe(`delete from public.bench where ${withLiteral}`)));
    await reload(sql);
    runs.push(await runProcess(stack));
    await reload(sql);
  }
  return { plainMs, literalMs, runs };
}

export const due = "deleted_at > '-infinity' and deleted_at < now() - interval '30 days'";

const schema = `
  create table public.bench (
    id bigint primary key,
    user_id integer not null,
    payload text not null,
    deleted_at timestamptz
  );
  grant select, delete on public.bench to service_role;
  create index on public.bench (user_id);
  create index on public.bench (deleted_at);

  create function public.delete_some() returns integer language plpgsql security definer set search_path = '' as $$
  declare
    deleted integer;
  begin
    delete from public.bench where id in (
      select id from public.bench where ${due} limit 1000
    );
    get diagnostics deleted = row_count;
    return deleted;
  end;
  $$;
  grant execute on function public.delete_some() to service_role;
`;

export async function createSchema(databaseUrl: string): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1, onnotice() {} });
  await sql.unsafe(schema);
  await sql.end();
}

export async function load(sql: postgres.Sql, count: number): Promise<void> {
  await sql`truncate public.bench`;
  await sql`select setseed(0.42)`;
  await sql`
    insert into public.bench
    select i, i % 1000, repeat('x', 150),
      case when random() < 0.5 then now() - interval '31 days' - random() * interval '1000 days' end
    from generate_series(1, ${count}::integer) i`;
  await vacuumLoaded(sql, 'public');
}

export async function reload(sql: postgres.Sql): Promise<void> {
  await sql`truncate public.bench`;
  await sql`insert into public.bench select * from public.keep order by id`;
  await vacuumLoaded(sql, 'public');
}

export async function declarePolicy(sql: postgres.Sql): Promise<void> {
  await sql`select nightshift.add_retention_policy('public.bench', '30 days')`;
}

async function countDue(sql: postgres.Sql): Promise<number> {
  const [row] = await sql.unsafe(`select count(*)::integer as n from public.bench where ${due}`);
  return row?.n;
}

/** What a function loads when it starts is no load on the server of the database: `begin` is called when that is done. */
export async function runProcess(stack: Stack, pace = 'gentle', begin = () => {}) {
  const running = promisify(execFile)(
    process.execPath,
    [fileURLToPath(new URL('purge-process.ts', import.meta.url))],
    {
      env: {
        ...process.env,
        SUPABASE_URL: stack.gatewayUrl,
        SUPABASE_SECRET_KEY: stack.secretKey,
        PACE: pace,
      },
    },
  );
  const { stdin, stdout: loaded } = running.child;
  if (loaded) await Promise.race([once(loaded, 'data'), running]);
  begin();
  stdin?.end();
  const { stdout } = await running;
  const output = processOutput.parse(JSON.parse(stdout));
  if (output.status !== 'succeeded' || output.report.rowsLeft !== 0) {
    throw new Error(`The purge ended ${output.status} with ${output.report.rowsLeft} rows left.`);
  }
  return output;
}

function clientOf({ gatewayUrl, secretKey }: Stack) {
  return createClient(gatewayUrl, secretKey, { auth: { persistSession: false } });
}

/** The first calls open the gateway's connections; neither way is to pay for that. */
export async function warmUp(stack: Stack): Promise<void> {
  const client = clientOf(stack);
  await Promise.all(Array.from({ length: 20 }, () => client.schema('nightshift').rpc('list_runs')));
}

export async function limitLoop(stack: Stack): Promise<void> {
  const client = clientOf(stack);
  for (;;) {
    const { data, error } = await client.rpc('delete_some');
    if (error) throw error;
    if (data === 0) return;
  }
}

async function oneByOne(stack: Stack): Promise<void> {
  const client = clientOf(stack);
  const ids: { id: number }[] = [];
  for (let from = 0; from < oneByOneSample; from += 1000) {
    const { data, error } = await client
      .from('bench')
      .select('id')
      .not('deleted_at', 'is', null)
      .order('id')
      .range(from, from + 999);
    if (error) throw error;
    ids.push(...data);
  }
  for (const { id } of ids) {
    const { error } = await client.from('bench').delete().eq('id', id);
    if (error) throw error;
  }
}
