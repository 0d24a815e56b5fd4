import type { Sql } from 'postgres';

/** One value for all that a table holds, of all rows or those where a condition is true. */
export async function checksum(sql: Sql, relation: string, where = 'true'): Promise<string> {
  const [row] = await sql.unsafe<{ sum: string }[]>(
    `select md5(coalesce(string_agg(r::text, E'\\n' order by r::text), '')) as sum from ${relation} r where ${where}`,
  );
  return row?.sum ?? '';
}

export async function idsOf(sql: Sql, relation: string): Promise<number[]> {
  const rows = await sql.unsafe<{ id: number }[]>(`select id from ${relation} order by id`);
  return rows.map(({ id }) => Number(id));
}

export function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, n) => first + n);
}
