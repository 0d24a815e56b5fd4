import { nightshift } from '../installation/origin.ts';
import type { Candidate } from './candidate.ts';
import { type Column, isTime, type Table } from './catalog.ts';
import { type Findings, idOf, type Proposal, type Step } from './proposal.ts';
import { answerOf, attempt, callOf, Refused, type Sql } from './sql.ts';

const deleted = '(deleted|removed|trashed|discarded|destroyed|erased|tombstoned)';
const markerName = new RegExp(
  `^(date_?)?${deleted}(_?(at|on|date|time|timestamp|ts|utc))*$|^(deletion|removal)_?(date|time|at)$`,
  'i',
);
const flagName = new RegExp(`^(is_?|was_?)?${deleted}(_?flag)?$`, 'i');
const byName = new RegExp(`^${deleted}_?by(_?(user|id|user_?id))?$`, 'i');
const reasonName = /^(deletion|delete|deleted|removal)_?reason$/i;

/** A restore is asked for within weeks, and a quarter has them all. */
const keepDeleted = '90 days';

export interface SoftDelete {
  table: Table;
  /** A time that says when a row was deleted, and not null in every row. */
  marker: string | undefined;
  flag: string | undefined;
}

/** The tables whose rows are marked as deleted: by a time that is null otherwise, by a flag, or by both. */
export function softDeletes(tables: readonly Table[]): SoftDelete[] {
  return tables.flatMap((table) => {
    if (table.kind === 'view') return [];
    const marker = named(
      table,
      markerName,
      (column) => isTime(column) && !column.notNull && column.default === null,
    );
    const flag = named(table, flagName, ({ type, generated }) => type === 'boolean' && !generated);
    return marker || flag ? [{ table, marker, flag }] : [];
  });
}

function named(table: Table, name: RegExp, fits: (column: Column) => boolean): string | undefined {
  return table.columns.find((column) => name.test(column.name) && fits(column))?.name;
}

/** Rows that were deleted long enough ago. A flag alone does not say when. */
export function purgeOf({ table, marker, flag }: SoftDelete): Candidate[] {
  if (!marker || table.has.retention) return [];
  return [{ table, dropAfter: keepDeleted, marker, flag, about: 'deleted' }];
}

/** To have deletions recorded and undone, by the columns that are there. */
export async function proposeSoftDelete(sql: Sql, found: readonly SoftDelete[]): Promise<Findings> {
  const findings: Findings = { proposals: [], leftOut: [] };
  for (const { table, marker, flag } of found) {
    if (table.has.softDelete) continue;
    const { relation } = table;
    const isText = ({ type }: Column) => /^(text|uuid|character varying)$/.test(type);
    const statement = (dry: boolean) =>
      callOf('enable_soft_delete', [relation], {
        marker_column: unless('deleted_at', marker),
        flag_column: flag,
        by_column: unless('deleted_by', named(table, byName, isText)),
        reason_column: unless('deletion_reason', named(table, reasonName, isText)),
        ...(dry ? { dry_run: true } : {}),
      });
    const steps = await attempt(sql, (inner) => answerOf<{ toDo: Step[] }>(inner, statement(true)));
    if (steps instanceof Refused) findings.leftOut.push(steps.of(relation));
    else findings.proposals.push(proposalOf(table, statement(false), steps.toDo));
  }
  return findings;
}

const unless = (usual: string, name: string | undefined) => (name === usual ? undefined : name);

function proposalOf(table: Table, statement: string, steps: readonly Step[]): Proposal {
  const locks = [...new Set(steps.map(({ lock }) => lock))];
  return {
    id: idOf('soft-delete', table.relation),
    kind: 'soft-delete',
    relation: table.relation,
    evidence: {
      bytes: table.bytes,
      rows: table.rows,
      rowsPerDay: null,
      oldest: null,
      index: null,
      keys: table.referredBy,
    },
    rowsTonight: null,
    rowsTonightExact: false,
    rowsTonightAtMost: false,
    says: [
      `It would execute, without rewriting a row: ${inShort(steps).join('; ')}.`,
      `Locks: ${locks.join('; ')}.`,
      ...(steps.some(({ statement }) => / concurrently /.test(statement))
        ? [
            `In a migration it leaves what has to be built outside of a transaction, and returns that as toDo; ${nightshift} soft-delete enable builds it, too.`,
          ]
        : []),
    ],
    prepare: [],
    statement,
    commented: true,
    arm: null,
  };
}

/** As much of the statements as says what they are about. */
function inShort(steps: readonly Step[]): string[] {
  const heads = steps.map(
    ({ statement }) => statement.split(/;|\s+(?:before|after|with|as|where)\s/)[0] ?? '',
  );
  const triggers = heads.filter((head) => /^create or replace trigger /.test(head));
  const others = heads.filter((head) => !triggers.includes(head));
  return triggers.length === 0 ? others : [...others, `${triggers.length} triggers`];
}
