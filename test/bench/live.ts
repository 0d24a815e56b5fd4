import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
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

const rows = 1_000_000;
const rounds = 3;
const warmMs = 1_500;
/** About as long as it takes Nightshift: a short window has fewer of the slowest. */
const aloneMs = 20_000;

type Way = 'alone' | 'plainDelete' | 'limitLoop' | 'nightshift' | 'nightshiftFull';

/**
 * How long the transactions of an application take alone, and beside each way to delete what is due, in windows that
 * alternate: all on the same rows, freshly loaded, in the same run.
 */
export async function benchLive(say: (text: string) => void): Promise<Record<string, number>> {
  const stack = await startStack({ setUp: createSchema });
  const sql = postgres(stack.databaseUrl, { max: 1, onnotice() {} });
  let traffic: ChildProcess | undefined;
  try {
    await load(sql, rows);
    await declarePolicy(sql);
    await sql`create table public.keep as select * from public.bench`;
    await warmUp(stack);
    traffic = fork(fileURLToPath(new URL('live-traffic.ts', import.meta.url)), {
      env: { ...process.env, DATABASE_URL: stack.databaseUrl, ROWS: String(rows) },
    });
    let beganMs = 0;
    const begin = () => {
      beganMs = performance.now();
      traffic?.send('measure');
    };
    const ofThisProcess = (work: () => Promise<unknown>) => () => {
      begin();
      return work();
    };
    const ways: Record<Way, () => Promise<unknown>> = {
      alone: ofThisProcess(() => sleep(aloneMs)),
      plainDelete: ofThisProcess(async () => {
        await sql.unsafe(`delete from public.bench where ${due}`);
      }),
      limitLoop: ofThisProcess(() => limitLoop(stack)),
      nightshift: () => runProcess(stack, 'gentle', begin),
      nightshiftFull: () => runProcess(stack, 'full', begin),
    };
    const windows: { way: Way; tookMs: number; latenciesMs: number[] }[] = [];
    for (let n = 1; n <= rounds; n++) {
      for (const [way, run] of Object.entries(ways) as [Way, () => Promise<unknown>][]) {
        say(`round ${n} of ${rounds}, ${way}`);
        await reload(sql);
        await sql`checkpoint`;
        traffic.send('start');
        await sleep(warmMs);
        await run();
        const tookMs = performance.now() - beganMs;
        windows.push({ way, tookMs, latenciesMs: await latenciesOf(traffic) });
      }
    }
    return figuresOf(Object.keys(ways) as Way[], windows);
  } finally {
    if (traffic?.kill()) await once(traffic, 'exit');
    await sql.end();
    await stack.stop();
  }
}

async function latenciesOf(traffic: ChildProcess): Promise<number[]> {
  traffic.send('end');
  // A process that has died answers nobody.
  const answered = new AbortController();
  const [latenciesMs] = await Promise.race([
    once(traffic, 'message', { signal: answered.signal }),
    once(traffic, 'exit', { signal: answered.signal }).then(() => {
      throw new Error('The application ended.');
    }),
  ]).finally(() => answered.abort());
  return latenciesMs;
}

function figuresOf(
  ways: Way[],
  windows: { way: Way; tookMs: number; latenciesMs: number[] }[],
): Record<string, number> {
  const of = (way: Way) => windows.filter((window) => window.way === way);
  const share = (way: Way, part: number) =>
    percentile(
      of(way).flatMap(({ latenciesMs }) => latenciesMs),
      part,
    );
  const figures: Record<string, number> = { rows };
  for (const way of ways) {
    const tookMs = of(way).map((window) => window.tookMs);
    figures[`${way}TookMs`] = Math.round(percentile(tookMs, 0.5));
    figures[`${way}P50Ms`] = round(share(way, 0.5));
    figures[`${way}P99Ms`] = round(share(way, 0.99));
    figures[`${way}MaxMs`] = round(share(way, 1));
    figures[`${way}TimesAloneP50`] = round(share(way, 0.5) / share('alone', 0.5));
    figures[`${way}TimesAloneP99`] = round(share(way, 0.99) / share('alone', 0.99));
  }
  return figures;
}
