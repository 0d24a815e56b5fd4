import type { Candidate } from './candidate.ts';
import type { Table } from './catalog.ts';
import { answerOf, attempt, literal, Refused, type Sql } from './sql.ts';

/** Time for counting, all tables together; what does not fit is estimated. */
const countingMs = 10_000;
const oldestMs = 3_000;
const childrenMs = 1_000;

export interface Key {
  table: string;
  columns: string;
  role: 'child' | 'release' | 'keep' | 'hold';
  rows: number | null;
  rowsExact: boolean;
  /** Whether rows that refer go by a policy of their own once they are due. */
  ownPolicy: boolean;
}

/** What preview_retention_purge says of a policy; of one that is switched off, no figures. */
export interface Preview {
  relation: string;
  dueRows?: number;
  dueRowsExact?: boolean;
  totalRows?: number;
  totalRowsExact?: boolean;
  goes?: number;
  goesExact?: boolean;
  goesAtMost?: boolean;
  keys?: Key[];
  warnings?: string[];
  problem?: { code: string; message: string; hint: string | null };
}

/** What a purge of all that is declared would do now; nothing of them where there are so many that it takes too long. */
export async function preview(sql: Sql): Promise<Preview[]> {
  const seen = await attempt(sql, async (inner) => {
    await inner.unsafe(`set local statement_timeout = ${countingMs * 4}`);
    return answerOf<Preview[]>(
      inner,
      `select nightshift.preview_retention_purge(now(), ${countingMs})`,
    );
  });
  return seen instanceof Refused ? [] : seen;
}

/** By the index that the policy needs, or in a table that is read in a moment. Undefined without a row, null without the time to look. */
export async function findOldest(
  sql: Sql,
  { table, marker, flag }: Candidate,
): Promise<number | null | undefined> {
  const found = await attempt(sql, async (inner) => {
    await inner.unsafe(`set local statement_timeout = ${oldestMs}; set local enable_seqscan = off`);
    // The driver would take a dot in a name for the end of another.
    const column = quoted(marker);
    const [row] = await inner.unsafe<{ ms: number | null }[]>(
      `select extract(epoch from min(${column}))::float8 * 1000 as ms from ${table.relation}
       where isfinite(${column})${flag ? ` and ${quoted(flag)}` : ''}`,
    );
    return row?.ms ?? undefined;
  });
  return found instanceof Refused ? null : found;
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

const dayMs = 86_400_000;

/** As an average since the oldest row, which must have been there for a day. */
export async function perDay(
  sql: Sql,
  { rows }: Table,
  oldestMs: number | null | undefined,
): Promise<number | null> {
  if (rows === null || oldestMs == null) return null;
  const [now] = await sql<{ ms: number }[]>`select extract(epoch from now())::float8 * 1000 as ms`;
  const days = ((now?.ms ?? oldestMs) - oldestMs) / dayMs;
  return days < 1 ? null : Math.round(rows / days);
}

/** By the statistics alone: to count would read the whole table. */
export async function estimateDue(
  sql: Sql,
  { table, dropAfter, marker, flag }: Candidate,
): Promise<number | null> {
  const [row] = await sql.unsafe(
    `explain (format json) select from ${table.relation}
     where ${quoted(marker)} < now() - interval ${literal(dropAfter)}${flag ? ` and ${quoted(flag)}` : ''}`,
  );
  const [plan] = (row?.['QUERY PLAN'] ?? []) as { Plan: { 'Plan Rows': number } }[];
  return plan?.Plan['Plan Rows'] ?? null;
}

export async function mayBeHeld(sql: Sql, relation: string): Promise<boolean> {
  const holders = await sql`
    select from nightshift.reference_tree(${relation}::text::regclass) t where t.role in ('hold', 'keep') limit 1`;
  return holders.length > 0;
}

/** How many rows a table of children has, and how many of them lead to due rows, held or not, by whatever keys. */
export interface Children {
  totalRows: number;
  dueRows: number | null;
}

export async function measureChildren(sql: Sql, relation: string): Promise<Children[]> {
  const measured = await attempt(sql, (inner) =>
    answerOf<Record<string, Children>>(
      inner,
      `select nightshift.measure_children(p, now(), ${childrenMs}) from nightshift.retention_policies p
       where p.relation = ${literal(relation)}::regclass`,
    ),
  );
  return measured instanceof Refused ? [] : Object.values(measured);
}
