import type postgres from 'postgres';

export async function timed(run: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await run();
  return performance.now() - startedMs;
}

/** The value that this share of all values does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
}

/**
 * The speed of one way as a share of another's: by the medians, and by the fastest round of each, since what else a machine
 * does only ever makes a round slower.
 */
export function shareOf(
  name: string,
  otherMs: readonly number[],
  ms: readonly number[],
): Record<string, number> {
  return {
    [name]: round(percentile(otherMs, 0.5) / percentile(ms, 0.5)),
    [`${name}ByTheFastest`]: round(Math.min(...otherMs) / Math.min(...ms)),
  };
}

export function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/**
 * As rows are that were written long before. Commits are asynchronous here: without a checkpoint, nobody would know yet that
 * the rows just loaded are committed, so VACUUM would leave their pages to be looked at again. The tables of the schema alone:
 * of a catalog that was vacuumed, every session forgets what it has planned.
 */
export async function vacuumLoaded(sql: postgres.Sql, schema: string): Promise<void> {
  const tables = await sql`
    select format('%I.%I', schemaname, tablename) as name from pg_catalog.pg_tables where schemaname = ${schema}`;
  await sql`checkpoint`;
  await sql.unsafe(`vacuum analyze ${tables.map(({ name }) => name).join(', ')}`);
}
