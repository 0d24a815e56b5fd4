import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { startStack } from '../../infra/local/stack.ts';
import { percentile, round } from './measure.ts';
import {
  createSchema,
  declarePolicy,
  due,
  limitLoop,
  load,
  reload,
  runProcess,
  warmUp,
} from './purge.ts';

const rows = Number(process.env.R ?? 1_000_000);
const rounds = Number(process.env.N ?? 3);
const quietMs = 3_000;

export async function benchLive(say: (text: string) => void): Promise<Record<string, number>> {
  const stack = await startStack({ setUp: createSchema });
  const sql = postgres(stack.databaseUrl, { max: 1, onnotice() {} });
  const traffic = fork(fileURLToPath(new URL('live-traffic.ts', import.meta.url)), {
    env: { ...process.env, DATABASE_URL: stack.databaseUrl, ROWS: String(rows) },
    execArgv: [],
  });
  try {
    await load(sql, rows);
    await declarePolicy(sql);
    await sql`create table public.keep as select * from public.bench`;
    await warmUp(stack);
    const ways: Record<string, () => Promise<unknown>> = {
      alone: () => new Promise((resolve) => setTimeout(resolve, quietMs)),
      plainDelete: () => sql.unsafe(`delete from public.bench where ${due}`),
      nightshift: () => runProcess(stack),
      ...(process.env.LOOP ? { limitLoop: () => limitLoop(stack) } : {}),
    };
    const figures: Record<string, number> = {};
    const latencies: Record<string, number[]> = {};
    const tookMs: Record<string, number[]> = {};
    for (let round = 1; round <= rounds; round += 1) {
      for (const [way, run] of Object.entries(ways)) {
        say(`round ${round} of ${rounds}: ${way}`);
        await reload(sql);
        await sql`checkpoint`;
        traffic.send('start');
        await new Promise((resolve) => setTimeout(resolve, 200));
        const startedMs = performance.now();
        await run();
        tookMs[way] = [...(tookMs[way] ?? []), performance.now() - startedMs];
        latencies[way] = [...(latencies[way] ?? []), ...(await latenciesOf(traffic))];
        console.error(way, tookMs[way]?.at(-1), 'p99', percentile(latencies[way] ?? [], 0.99));
      }
    }
    for (const way of Object.keys(ways)) {
      figures[`${way}P50Ms`] = round(percentile(latencies[way] ?? [], 0.5));
      figures[`${way}P99Ms`] = round(percentile(latencies[way] ?? [], 0.99));
      figures[`${way}MaxMs`] = round(percentile(latencies[way] ?? [], 1));
      figures[`${way}TookMs`] = round(percentile(tookMs[way] ?? [], 0.5));
      figures[`${way}Transactions`] = latencies[way]?.length ?? 0;
    }
    return figures;
  } finally {
    traffic.kill();
    await once(traffic, 'exit');
    await sql.end();
    await stack.stop();
  }
}

async function latenciesOf(traffic: ChildProcess): Promise<number[]> {
  traffic.send('end');
  const [latenciesMs] = await Promise.race([
    once(traffic, 'message'),
    once(traffic, 'exit').then(() => Promise.reject(new Error('The traffic ended.'))),
  ]);
  return latenciesMs;
}
