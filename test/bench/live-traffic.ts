import postgres from 'postgres';

/**
 * An application in a process of its own. Its transactions are due at fixed times, whether the last one is done or not,
 * so that a wait counts for all that come too late because of it. The messages are start, measure, which forgets what has
 * been, and end, which is answered with the latencies.
 */
const { DATABASE_URL: databaseUrl = '', ROWS: rows = '1' } = process.env;
const sessions = 8;
const everyMs = 20;

const sql = postgres(databaseUrl, { max: sessions, onnotice() {} });
let nextId = 1_000_000_000;

async function transact(): Promise<void> {
  const id = 1 + Math.floor(Math.random() * Number(rows));
  const newId = nextId++;
  await sql.begin(async (tx) => {
    await tx`select * from public.bench where id = ${id}`;
    await tx`update public.bench set payload = payload where id = ${id} and deleted_at is null`;
    await tx`insert into public.bench values (${newId}, 1, 'new')`;
  });
}

let latenciesMs: number[] = [];
let work = { isOver: true, done: Promise.resolve() };

async function session(n: number, running: { isOver: boolean }): Promise<void> {
  for (let dueMs = performance.now() + (n * everyMs) / sessions; ; dueMs += everyMs) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(dueMs - performance.now(), 0)));
    if (running.isOver) return;
    // A timer leaves out fractions of a millisecond, and so may be early.
    const startedMs = performance.now();
    await transact();
    latenciesMs.push(performance.now() - Math.min(dueMs, startedMs));
  }
}

process.on('message', async (message) => {
  if (message === 'start') {
    const running = { isOver: false, done: Promise.resolve() };
    const all = Promise.all(Array.from({ length: sessions }, (_, n) => session(n, running)));
    running.done = all.then(() => {});
    work = running;
  } else if (message === 'measure') {
    latenciesMs = [];
  } else {
    work.isOver = true;
    await work.done;
    process.send?.(latenciesMs);
  }
});
