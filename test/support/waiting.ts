import { setTimeout as sleep } from 'node:timers/promises';
import type { Sql } from 'postgres';

/** Each question is a query, in most cases, and costs more than the wait that it may save. */
const pollMs = 20;

/** Asks again until the answer is true; fails, naming what it waited for, after timeoutMs. */
export async function until(
  what: string,
  ask: () => Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const giveUpAt = performance.now() + timeoutMs;
  while (!(await ask())) {
    if (performance.now() > giveUpAt) throw new Error(`Waited in vain until ${what}`);
    await sleep(pollMs);
  }
}

/** Sessions that wait for a lock, by what they do. */
export async function waiting(sql: Sql, query: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and pid <> pg_backend_pid()
      and query ilike ${`%${query}%`}`;
  return row?.count ?? 0;
}

/** Whether the Data API has no transaction open: what it was asked for is committed or undone. */
export async function apiIsIdle(sql: Sql): Promise<boolean> {
  const rows = await sql`
    select from pg_stat_activity
    where datname = current_database() and usename = 'authenticator' and xact_start is not null`;
  return rows.length === 0;
}
