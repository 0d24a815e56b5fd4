import { isoTime } from '../../functions/_shared/clock.ts';
import type { Candidate } from './candidate.ts';
import type { Table } from './catalog.ts';
import { type Dependents, declareDependents } from './dependents.ts';
import { evidenceOf, sizeInWords } from './evidence.ts';
import {
  type Children,
  estimateDue,
  findOldest,
  mayBeHeld,
  measureChildren,
  type Preview,
  perDay,
  preview,
} from './figures.ts';
import { type Findings, idOf, type LeftOut, type Proposal, type Step } from './proposal.ts';
import { attempt, callOf, Refused, type Sql } from './sql.ts';
import { keysInWords, tonightInWords } from './tonight.ts';

const noDependents: Dependents = { with_children: [], release: [] };

/** Of tables that have such a brake, a run deletes no larger share unless it was told to: max_fraction. */
const usualFraction = 0.5;
const brakedRows = 1000;

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
    const one = await declare(sql, candidate);
    if ('why' in one) findings.leftOut.push(one);
    else declared.push(one);
  }
  // Only now, when all are declared: rows that have a policy of their own are not to be children of another.
  const marked = new Set(
    candidates.filter(({ about }) => about === 'deleted').map(({ table }) => table.oid),
  );
  for (const each of declared) {
    each.dependents = await declareDependents(sql, each.candidate.table.relation, tables, marked);
  }
  const previews = await preview(sql);
  for (const each of declared) {
    const { relation } = each.candidate.table;
    const seen = previews.find((one) => one.relation === relation);
    if (seen?.problem && seen.problem.code !== 'NS424') {
      findings.leftOut.push({ relation, why: seen.problem.message, fix: seen.problem.hint });
    } else {
      findings.proposals.push(await proposalOf(sql, each, seen));
    }
  }
  return findings;
}

/** As add_retention_policy does, but for what it says of the table, which is asked of all of them at once. */
async function declare(sql: Sql, candidate: Candidate): Promise<Declared | LeftOut> {
  const { table, dropAfter, marker, flag } = candidate;
  const note = (inner: Sql, enabled: boolean) => inner`
    insert into nightshift.retention_policies (relation, relation_name, drop_after, marker_column, flag_column, enabled)
    values (${table.relation}::text::regclass, ${table.relation}, ${dropAfter}::text::interval, ${marker}, ${flag ?? null}, ${enabled})`;
  const refusal = await attempt(sql, async (inner) => {
    await note(inner, true);
    await inner`
      select nightshift.check_retention_policy(p, false) from nightshift.retention_policies p
      where p.relation = ${table.relation}::text::regclass`;
  });
  if (!(refusal instanceof Refused)) {
    return { candidate, dependents: noDependents, index: undefined };
  }
  if (!/^No index serves /.test(refusal.why) || !refusal.fix) return refusal.of(table.relation);
  // Switched off, so that what refers to it can be looked at, and its rows are not.
  await note(sql, false);
  return { candidate, dependents: noDependents, index: refusal.fix };
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
  { candidate, dependents, index }: Declared,
  seen: Preview | undefined,
): Promise<Proposal> {
  const { table, marker } = candidate;
  const { relation } = table;
  const oldestMs = index ? undefined : await findOldest(sql, candidate);
  const evidence = {
    ...evidenceOf(table, marker),
    oldest: oldestMs == null ? null : isoTime(oldestMs),
    rowsPerDay: candidate.about === 'written' ? await perDay(sql, table, oldestMs) : null,
  };
  const goes = index
    ? {
        rows: await estimateDue(sql, candidate),
        exact: false,
        atMost: await mayBeHeld(sql, relation),
      }
    : going(seen);
  const hasChildren = seen?.keys?.some(({ role }) => role === 'child') ?? false;
  const children = hasChildren ? await measureChildren(sql, relation) : [];
  const brake = isBraked(table, seen, goes.rows, children);
  return {
    id: idOf('retention', relation),
    kind: 'retention',
    relation,
    evidence,
    rowsTonight: goes.rows,
    rowsTonightExact: goes.exact,
    rowsTonightAtMost: goes.atMost,
    says: [
      sizeInWords(evidence),
      tonightInWords(candidate, { seen, goes, oldestMs, waits: index !== undefined }),
      ...keysInWords(seen?.keys ?? []),
      ...(brake
        ? [
            `That is more than half of a table, which a run refuses: to arm it accepts it once (first_purge).`,
          ]
        : []),
      // Those of a missing index are said with the statement that makes it.
      ...(seen?.warnings ?? []).filter(
        (text) => !/ has no index on the referencing side/.test(text),
      ),
    ],
    prepare: [
      ...(index
        ? [
            built(
              index,
              `Without it, every look for due rows reads all of ${relation}, and the policy is refused.`,
            ),
          ]
        : []),
      ...(await indexesOfKeys(sql, relation)),
    ],
    statement: statementOf(candidate, dependents, { enabled: false }),
    commented: index !== undefined,
    arm: callOf('alter_retention_policy', [relation], {
      enabled: true,
      first_purge: brake ? 'all' : undefined,
    }),
  };
}

/** Rows that nobody may hold go, and are counted better than those that somebody holds. */
function going({
  dueRows,
  dueRowsExact = false,
  goes,
  goesExact = false,
  goesAtMost = false,
  keys = [],
}: Partial<Preview> = {}) {
  const isFree = keys.every(({ role }) => role === 'child' || role === 'release');
  return isFree
    ? { rows: dueRows ?? null, exact: dueRowsExact, atMost: false }
    : { rows: goes ?? null, exact: dueRowsExact && goesExact, atMost: goesAtMost };
}

function isBraked(
  { rows: estimatedRows }: Table,
  { totalRows = estimatedRows ?? 0, dueRows }: Partial<Preview> = {},
  goes: number | null,
  children: readonly Children[],
): boolean {
  const tooMany = (rows: number | null, of: number) =>
    of >= brakedRows && (rows ?? 0) > of * usualFraction;
  const share = dueRows ? (goes ?? 0) / dueRows : 0;
  return (
    tooMany(goes, totalRows) ||
    children.some((child) => tooMany((child.dueRows ?? 0) * share, child.totalRows))
  );
}

/** Indexes of the tables that refer to rows that go, which Postgres looks through for each of them. */
async function indexesOfKeys(sql: Sql, relation: string): Promise<Step[]> {
  const missing = await sql<{ referring: string; statement: string }[]>`
    select t.referencing::text as referring, nightshift.index_for_key(t.key) as statement
    from nightshift.reference_tree(${relation}::text::regclass) t where not t.indexed order by t.name`;
  return missing.map(({ referring, statement }) =>
    built(statement, `Without it, each row that goes reads all of ${referring}.`),
  );
}

function built(statement: string, why: string): Step {
  const waits = / concurrently /.test(statement)
    ? 'none that readers or writers wait for'
    : 'SHARE: writers wait until it is built';
  return { statement, why, lock: waits };
}
