import { many } from '../ui.ts';
import type { Table } from './catalog.ts';
import { evidenceOf, sizeInWords } from './evidence.ts';
import { type Findings, idOf } from './proposal.ts';
import { answerOf, attempt, callOf, Refused, type Sql } from './sql.ts';

interface Parent {
  oid: number;
  type: string | null;
  every: string;
  partitions: number;
  defaultPartition: string | null;
}

interface State {
  horizon: string | null;
  /** Null: there is one without an end. */
  horizonDays: number | null;
  missing: unknown[];
  warnings: string[];
}

/** Tables that are partitioned by a time, and whose next partition nobody makes. */
export async function proposePartitions(sql: Sql, tables: readonly Table[]): Promise<Findings> {
  const findings: Findings = { proposals: [], leftOut: [] };
  const candidates = tables.filter(({ kind, has }) => kind === 'partitioned' && !has.partitions);
  if (candidates.length === 0) return findings;
  const parents = await readParents(sql, candidates);
  const ofPartman = await keptByPartman(sql);
  for (const table of candidates) {
    const { relation } = table;
    const parent = parents.find(({ oid }) => oid === table.oid);
    if (!parent?.type || !/^(date|timestamp)/.test(parent.type)) continue;
    if (ofPartman.has(table.oid)) {
      findings.leftOut.push({
        relation,
        why: 'pg_partman makes its partitions',
        fix: 'docs/pg_partman.md says how to move over.',
      });
      continue;
    }
    const statement = (named: { enabled?: boolean }) =>
      callOf('add_partition_policy', [relation, parent.every], named);
    const state = await attempt(sql, (inner) => answerOf<State>(inner, statement({})));
    if (state instanceof Refused) {
      findings.leftOut.push(state.of(relation));
      continue;
    }
    const evidence = evidenceOf(table);
    findings.proposals.push({
      id: idOf('partitions', relation),
      kind: 'partitions',
      relation,
      evidence,
      rowsTonight: null,
      rowsTonightExact: false,
      rowsTonightAtMost: false,
      says: [
        sizeInWords(evidence),
        `${many(parent.partitions, 'partition')} of ${parent.every} by ${parent.type}, ${reach(state)}${parent.defaultPartition ? `; default ${parent.defaultPartition}` : ''}.`,
        `Tonight: ${many(state.missing.length, 'partition')} would be made, and none retired: give it a retention to have old ones go.`,
        ...state.warnings,
      ],
      prepare: [],
      statement: statement({ enabled: false }),
      commented: false,
      arm: callOf('alter_partition_policy', [relation], { enabled: true }),
    });
  }
  return findings;
}

function reach({ horizon, horizonDays }: State): string {
  if (horizonDays === null) return 'the last without an end';
  return horizon === null ? 'none for today' : `the last until ${horizon.slice(0, 10)}`;
}

function readParents(sql: Sql, candidates: readonly Table[]): Promise<Parent[]> {
  return sql<Parent[]>`
    select t.partrelid::bigint::float8 as oid, k.type::text as type, nightshift.usual_partition(t.partrelid) as every,
      (select count(*)::integer from pg_inherits i where i.inhparent = t.partrelid and i.inhrelid <> t.partdefid) as partitions,
      nullif(t.partdefid, 0)::regclass::text as "defaultPartition"
    from pg_partitioned_table t
    cross join lateral nightshift.partition_key(t.partrelid) k
    where t.partrelid = any(${oids(candidates)}::text::oid[])`;
}

/** Two that make partitions of one table get in each other's way. */
async function keptByPartman(sql: Sql): Promise<Set<number>> {
  const [config] = await sql<{ name: string }[]>`
    select c.oid::regclass::text as name from pg_extension e
    join pg_class c on c.relnamespace = e.extnamespace and c.relname = 'part_config'
    where e.extname = 'pg_partman'`;
  if (!config) return new Set();
  const kept = await sql<{ oid: number }[]>`
    select to_regclass(p.parent_table)::oid::bigint::float8 as oid from ${sql.unsafe(config.name)} p
    where to_regclass(p.parent_table) is not null`;
  return new Set(kept.map(({ oid }) => oid));
}

const oids = (tables: readonly Table[]) => `{${tables.map(({ oid }) => oid).join(',')}}`;
