import { isoTime } from '../../functions/_shared/clock.ts';
import { count } from '../ui.ts';
import type { Candidate } from './candidate.ts';
import type { Table } from './catalog.ts';
import { type Dependents, declareDependents } from './dependents.ts';
import { dayOf, evidenceOf, sizeInWords } from './evidence.ts';
import { type Findings, idOf, type Proposal, type Step } from './proposal.ts';
import { answerOf, attempt, callOf, Refused, type Sql } from './sql.ts';

const noDependents: Dependents = { with_children: [], release: [] };

/** Time for counting, all tables together; what does not fit is estimated. */
const countingMs = 10_000;

/** More of a table than a run may delete, unless it was told to: max_fraction, of tables that have such a brake. */
const usualFraction = 0.5;
const brakedRows = 1000;

interface Key {
  key: string;
  table: string;
  columns: string;
  role: 'child' | 'release' | 'keep' | 'hold';
  rows: number | null;
  rowsExact: boolean;
  createIndex: string | null;
}

/** What preview_retention_purge says of a policy. */
interface Preview {
  relation: string;
  dueRows?: number;
  dueRowsExact?: boolean;
  totalRows?: number;
  goes?: number;
  goesExact?: boolean;
  keys?: Key[];
  warnings?: string[];
  problem?: { code: string; message: string };
}

interface Declared {
  candidate: Candidate;
  dependents: Dependents;
  /** What has to be built before the policy is accepted. */
  index: string | undefined;
}

/** Declares each candidate as the migration would, switched on, and looks at what a purge would do. */
export async function proposeRetention(
  sql: Sql,
  tables: readonly Table[],
  candidates: readonly Candidate[],
): Promise<Findings> {
  const findings: Findings = { proposals: [], leftOut: [] };
  const declared: Declared[] = [];
  for (const candidate of candidates) {
    const refusal = await attempt(sql, (inner) =>
      answerOf(inner, statementOf(candidate, noDependents)),
    );
    if (!(refusal instanceof Refused)) {
      declared.push({ candidate, dependents: noDependents, index: undefined });
    } else if (/^No index serves /.test(refusal.why) && refusal.fix) {
      declared.push({ candidate, dependents: noDependents, index: refusal.fix });
    } else {
      findings.leftOut.push(refusal.of(candidate.table.relation));
    }
  }
  // Only now: rows that have a policy of their own are not to be children of another.
  const marked = new Set(
    candidates.filter(({ about }) => about === 'deleted').map(({ table }) => table.oid),
  );
  for (const each of declared) {
    if (each.index) continue;
    each.dependents = await declareDependents(sql, each.candidate.table.relation, tables, marked);
  }
  const previews = await answerOf<Preview[]>(
    sql,
    `select nightshift.preview_retention_purge(now(), ${countingMs})`,
  );
  for (const each of declared) {
    const { table } = each.candidate;
    const preview = previews.find(({ relation }) => relation === table.relation);
    if (preview?.problem && preview.problem.code !== 'NS424') {
      findings.leftOut.push({ relation: table.relation, why: preview.problem.message, fix: null });
    } else {
      findings.proposals.push(await proposalOf(sql, tables, each, preview));
    }
  }
  return findings;
}

function statementOf(
  { table, dropAfter, marker, flag }: Candidate,
  { with_children, release }: Dependents,
  named: { enabled?: boolean } = {},
): string {
  return callOf('add_retention_policy', [table.relation, dropAfter], {
    marker_column: marker === 'deleted_at' ? undefined : marker,
    flag_column: flag,
    with_children,
    release,
    ...named,
  });
}

async function proposalOf(
  sql: Sql,
  tables: readonly Table[],
  { candidate, dependents, index }: Declared,
  preview: Preview | undefined,
): Promise<Proposal> {
  const { table, marker, dropAfter } = candidate;
  const oldestMs = index ? undefined : await oldestOf(sql, candidate);
  const evidence = {
    ...evidenceOf(table, marker),
    oldest: oldestMs === undefined ? null : isoTime(oldestMs),
    rowsPerDay: candidate.about === 'written' ? await perDay(sql, table, oldestMs) : null,
  };
  const keys = preview?.keys ?? [];
  // What nobody may hold goes, and was counted better than what they hold.
  const isFree = keys.every(({ role }) => role === 'child' || role === 'release');
  const rowsTonight = index ? await estimate(sql, candidate) : ((isFree ? preview?.dueRows : preview?.goes) ?? null);
  const rowsTonightExact = !index && preview?.dueRowsExact === true && (isFree || preview.goesExact === true);
  const brake = isBraked(tables, preview, rowsTonight);
  return {
    id: idOf('retention', table.relation),
    kind: 'retention',
    relation: table.relation,
    evidence,
    rowsTonight,
    rowsTonightExact,
    says: [
      sizeInWords(evidence),
      tonight(candidate, preview, { rowsTonight, rowsTonightExact, oldestMs }),
      ...keys.map((key) => inWords(key)).filter((words) => words !== undefined),
      ...(brake
        ? [
            'That is more than half of a table, which a run refuses: to arm it accepts that once (first_purge).',
          ]
        : []),
      ...(preview?.warnings ?? []).filter(
        (warning) => !/ has no index on the referencing side/.test(warning),
      ),
    ],
    prepare: [
      ...(index
        ? [
            built(
              index,
              `Without it, every look for due rows reads all of ${table.relation}, and the policy is refused.`,
            ),
          ]
        : []),
      ...keys.flatMap(({ createIndex, table: referring }) =>
        createIndex
          ? [built(createIndex, `Without it, each row that goes reads all of ${referring}.`)]
          : [],
      ),
    ],
    statement: statementOf(candidate, dependents, { enabled: false }),
    commented: index !== undefined,
    arm: callOf('alter_retention_policy', [table.relation], {
      enabled: true,
      first_purge: brake ? 'all' : undefined,
    }),
  };

  function tonight(
    { about, flag }: Candidate,
    { dueRows = 0, totalRows = 0, dueRowsExact = false, problem }: Preview = {
      relation: table.relation,
    },
    {
      rowsTonight,
      rowsTonightExact,
      oldestMs,
    }: { rowsTonight: number | null; rowsTonightExact: boolean; oldestMs: number | undefined },
  ): string {
    const window = `older than ${dropAfter} by ${marker}${flag ? `, where ${flag}` : ''}`;
    if (index)
      return `Tonight: about ${count(rowsTonight ?? 0)} rows (${window}), as the statistics have it, once its index is there.`;
    if (problem) return `Tonight: not counted, for there was no time. Rows ${window}.`;
    if (dueRows === 0) {
      const why = {
        deleted:
          oldestMs === undefined
            ? 'no row is deleted'
            : `the oldest was deleted on ${dayOf(oldestMs)}`,
        written:
          oldestMs === undefined ? 'it has no rows' : `the oldest row is of ${dayOf(oldestMs)}`,
        expired:
          oldestMs === undefined ? 'it has no rows' : `the first expires on ${dayOf(oldestMs)}`,
      }[about];
      return `Tonight: no rows, for ${why}. The policy would delete nothing yet (${window}).`;
    }
    const held = dueRows - (rowsTonight ?? 0);
    return `Tonight: ${count(rowsTonight ?? 0, rowsTonightExact)} of ${count(totalRows)} rows (${window})${
      held > 0
        ? `; ${count(held, rowsTonightExact && dueRowsExact)} more are due, and others still need them`
        : ''
    }.`;
  }
}

function inWords({ table, columns, role, rows, rowsExact }: Key): string | undefined {
  const name = `${table}(${columns})`;
  const many = rows === null ? 'rows' : `${count(rows, rowsExact)} rows`;
  if (role === 'child') return `${name}: ${many} go with them.`;
  if (role === 'release') return `${name}: ${many} stay, and refer to nothing.`;
  // Who refers by a policy of its own, and holds nothing, is nothing to decide.
  if (role !== 'hold' || rows === 0) return undefined;
  const holds = rows === null ? 'may hold rows' : `holds ${count(rows, rowsExact)}`;
  return `${name}: ${holds}, until you say what becomes of them: with_children, release or keep.`;
}

function isBraked(
  tables: readonly Table[],
  { totalRows = 0, keys = [] }: Partial<Preview> = {},
  goes: number | null,
): boolean {
  const tooMany = (rows: number | null, of: number | null | undefined) =>
    (of ?? 0) >= brakedRows && (rows ?? 0) > (of ?? 0) * usualFraction;
  return (
    tooMany(goes, totalRows) ||
    keys.some(
      ({ role, rows, table }) =>
        role === 'child' && tooMany(rows, tables.find(({ relation }) => relation === table)?.rows),
    )
  );
}

function built(statement: string, why: string): Step {
  // In a hint a comment may follow.
  return {
    statement,
    why,
    lock: / concurrently /.test(statement)
      ? 'none that readers or writers wait for'
      : 'SHARE: writers wait until it is built',
  };
}

/** By the index that the policy needs, or in a table that is read in a moment. Undefined without a row. */
async function oldestOf(sql: Sql, { table, marker, flag }: Candidate): Promise<number | undefined> {
  const found = await attempt(sql, async (inner) => {
    await inner`set local statement_timeout = '3s'`;
    await inner`set local enable_seqscan = off`;
    const [row] = await inner<{ ms: number | null }[]>`
      select extract(epoch from min(${inner(marker)}))::float8 * 1000 as ms from ${inner.unsafe(table.relation)}
      where isfinite(${inner(marker)}) ${flag ? inner`and ${inner(flag)}` : inner``}`;
    return row?.ms ?? undefined;
  });
  return found instanceof Refused ? undefined : found;
}

const dayMs = 86_400_000;

async function perDay(
  sql: Sql,
  { rows }: Table,
  oldestMs: number | undefined,
): Promise<number | null> {
  if (rows === null || oldestMs === undefined) return null;
  const [{ ms = 0 } = {}] = await sql<
    { ms: number }[]
  >`select extract(epoch from now())::float8 * 1000 as ms`;
  return ms - oldestMs < dayMs ? null : Math.round((rows * dayMs) / (ms - oldestMs));
}

/** By the statistics alone: to count would read the whole table. */
async function estimate(
  sql: Sql,
  { table, dropAfter, marker, flag }: Candidate,
): Promise<number | null> {
  const [{ due = 'false' } = {}] = await sql<{ due: string }[]>`
    select nightshift.due_condition('r', ${table.relation}::text::regclass, ${dropAfter}::text::interval, ${marker}, ${flag ?? null}, now()) as due`;
  const [row] = await sql.unsafe(
    `explain (format json) select from ${table.relation} r where ${due}`,
  );
  const [plan] = (row?.['QUERY PLAN'] ?? []) as { Plan: { 'Plan Rows': number } }[];
  return plan?.Plan['Plan Rows'] ?? null;
}
