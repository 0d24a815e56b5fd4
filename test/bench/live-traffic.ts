import postgres from 'postgres';

/**
 * An application in a process of its own. Its transactions are due at fixed times, whether the last one is done or not,
 * so that a wait counts for all that come too late because of it. Any message starts it; the next one ends it, and is
 * answered with the latencies.
 */
const { DATABASE_URL: databaseUrl = '', ROWS: rows = '1' } = process.env;
const sessions = 8;
const everyMs = 20;

const sql = postgres(databaseUrl, { max: sessions, onnotice() {} });
let lastId = 1_000_000_000;

async function transact(): Promise<void> {
  const id = 1 + Math.floor(Math.random() * Number(rows));
  const newId = lastId++;
  await sql.begin(async (tx) => {
    await tx`select * from public.bench where id = ${id}`;
    await tx`update public.bench set payload = payload where id = ${id} and deleted_at is null`;
    await tx`insert into public.bench values (${newId}, 1, 'new')`;
  });
}

let ended: AbortController | undefined;
let work: Promise<number[][]>;

async function session(n: number, { signal }: AbortController): Promise<number[]> {
  const latenciesMs = [];
  for (let dueMs = performance.now() + (n * everyMs) / sessions; ; dueMs += everyMs) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(dueMs - performance.now(), 0)));
    if (signal.aborted) return latenciesMs;
    await transact();
    latenciesMs.push(performance.now() - dueMs);
  }
}

process.on('message', async () => {
  if (ended) {
    ended.abort();
    ended = undefined;
    process.send?.((await work).flat());
  } else {
    const controller = new AbortController();
    ended = controller;
    work = Promise.all(Array.from({ length: sessions }, (_, n) => session(n, controller)));
  }
});
