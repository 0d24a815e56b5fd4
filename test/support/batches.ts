import type { Sql } from 'postgres';
import type { TestDatabase } from './database.ts';

/** So many rows a batch has at most where it chooses and locks them first. */
export const batchRows = 1_000;

/** A run of the purge of its own on one table, batch by batch as the function does it. */
export async function beginBatches(sql: Sql, relation: string) {
  const [begun] = await sql`select nightshift.begin_run('retention-purge', 'cli') -> 'run' as run`;
  const { id, fence } = begun?.run ?? {};
  await sql`select nightshift.plan_retention_purge(${id}, ${fence})`;
  await sql`select nightshift.measure_retention_backlog(${id}, ${fence}, ${relation})`;
  let purged = 0;
  return {
    /** How many rows a batch deleted at most. */
    largest: 0,
    async batch(rows = batchRows, ms = 200) {
      const [row] = await sql`
        select nightshift.purge_batch(${id}, ${fence}, ${relation}, ${rows}, batch_ms => ${ms}) as batch`;
      this.largest = Math.max(this.largest, row?.batch.step.rowsPurged - purged);
      purged = row?.batch.step.rowsPurged;
      return row?.batch;
    },
    async finish() {
      while (!(await this.batch()).done);
      const [row] = await sql`
        select progress #> array['steps', ${relation}] as step from nightshift.runs where id = ${id}`;
      await sql`select nightshift.finish_run(${id}, ${fence}, 'succeeded')`;
      return row?.step;
    },
  };
}

/** Opens a transaction in a session of its own and leaves it open. */
export async function inOpenTransaction(db: TestDatabase, statement: string): Promise<Sql> {
  const session = db.connect();
  await session`begin`;
  await session.unsafe(statement);
  return session;
}

/** Whether a slice waits for a row in use so long that the other session is the first, however slow the machine is. */
export async function letSlicesWait(sql: Sql, wait: boolean): Promise<void> {
  await sql.unsafe(
    `alter function nightshift.delete_slice set lock_timeout = '${wait ? '60s' : '20ms'}'`,
  );
}
