import { isTime, type Table } from './catalog.ts';
import { isOfMoney } from './logs.ts';
import { answerOf, attempt, literal, Refused, type Sql } from './sql.ts';

export interface Dependents {
  with_children: string[];
  release: string[];
}

interface Holder {
  /** As with_children names it. */
  entry: string;
  oid: number;
  /** Of the ON DELETE of its foreign key. */
  action: string;
  mustRefer: boolean;
  ownPolicy: boolean;
}

/** How deep children of children are followed; whatever is below holds. */
const maxLevels = 5;

/**
 * What the foreign keys say themselves about rows that refer to those of a policy: a row of a pure join table, or one that
 * must have its parent and goes with it (ON DELETE CASCADE), is a child; a reference that is set to null or default is
 * released. Whatever else refers holds its row, and is left for people to decide, and so is what is of money by its name where
 * the rows of the policy are not.
 */
export async function declareDependents(
  sql: Sql,
  relation: string,
  tables: readonly Table[],
  marked: ReadonlySet<number>,
): Promise<Dependents> {
  let accepted: Dependents = { with_children: [], release: [] };
  const refused = new Set<string>();
  for (let level = 0; level < maxLevels; level += 1) {
    const holders = await holdersOf(sql, relation);
    const open = holders.flatMap((holder) => {
      const table = tables.find(({ oid }) => oid === holder.oid);
      if (table && isOfMoney(table.name) && !isOfMoney(relation)) return [];
      const role = roleOf(holder, table, marked);
      return role && !refused.has(holder.entry) ? [{ role, entry: holder.entry }] : [];
    });
    if (open.length === 0) break;
    const all = open.reduce(joined, accepted);
    if (!((await attempt(sql, declaring(relation, all))) instanceof Refused)) {
      accepted = all;
      continue;
    }
    // One of them is refused, and keeps none of the others.
    for (const one of open) {
      const wanted = joined(accepted, one);
      if ((await attempt(sql, declaring(relation, wanted))) instanceof Refused)
        refused.add(one.entry);
      else accepted = wanted;
    }
  }
  return accepted;
}

const joined = (
  to: Dependents,
  { role, entry }: { role: keyof Dependents; entry: string },
): Dependents => ({
  ...to,
  [role]: [...to[role], entry],
});

function declaring(relation: string, { with_children, release }: Dependents) {
  const lists = [with_children, release].map(
    (entries) => `array[${entries.map(literal).join(', ')}]::text[]`,
  );
  const call = `select nightshift.declare_keys(${literal(relation)}, ${lists.join(', ')}, null)`;
  return (sql: Sql) => answerOf(sql, call);
}

/** Rows of the same table go by their own marker, and their reference is cleared where its key says so. */
function holdersOf(sql: Sql, relation: string): Promise<Holder[]> {
  return sql<Holder[]>`
    select format('%s(%s)', t.referencing, nightshift.key_columns(t.key)) as entry, t.referencing::oid::bigint::float8 as oid,
      c.confdeltype as action, (
        select bool_and(a.attnotnull) from pg_attribute a where a.attrelid = c.conrelid and a.attnum = any(c.conkey)
      ) as "mustRefer", t.own_policy as "ownPolicy"
    from nightshift.reference_tree(${relation}::text::regclass) t
    join pg_constraint c on c.oid = t.key
    where t.role = 'hold' and (t.referencing <> t.referenced or c.confdeltype in ('n', 'd'))
    order by t.name`;
}

function roleOf(
  { action, mustRefer, ownPolicy }: Holder,
  table: Table | undefined,
  marked: ReadonlySet<number>,
): keyof Dependents | undefined {
  if (action === 'n' || action === 'd') return 'release';
  // Rows that are deleted by themselves are not to go because their parent does.
  if (!table || marked.has(table.oid)) return undefined;
  if (action === 'c' && mustRefer) return 'with_children';
  if (ownPolicy) return undefined;
  return isJoin(table) ? 'with_children' : undefined;
}

/** Nothing in it but what it joins, and when. */
function isJoin({ columns, foreignKeys, primaryKey, referredBy }: Table): boolean {
  const joined = foreignKeys.filter(({ columns }) => columns.length > 0);
  if (joined.length < 2 || referredBy.length > 0) return false;
  const keys = new Set(joined.flatMap(({ columns }) => columns));
  const surrogate = primaryKey.length === 1 ? primaryKey[0] : undefined;
  return columns.every(
    (column) => keys.has(column.name) || column.name === surrogate || isTime(column),
  );
}
