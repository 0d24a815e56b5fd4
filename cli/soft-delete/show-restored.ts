import { groupBy } from '../group-by.ts';
import { table } from '../table.ts';
import { count, note, say } from '../ui.ts';
import type { FailedRow } from './documents.ts';

export interface Restored {
  restored: Record<string, number>;
  failed: FailedRow[];
  parents: number;
  replaced: number;
  /** Of keys that were given. */
  notDeleted?: number;
  notFound?: number;
}

/** So many keys of one reason; --json has them all. */
const keysShown = 10;

export function showRestored(restored: Restored): void {
  const failures = groupBy(restored.failed, ({ relation }) => relation);
  const relations = new Set([...Object.keys(restored.restored), ...failures.keys()]);
  const rows = [...relations].map((relation) => [
    relation,
    count(restored.restored[relation] ?? 0),
    count(failures.get(relation)?.length ?? 0),
  ]);
  if (rows.length > 0) console.log(table(['table', 'restored', 'failed'], rows, [1, 2]));
  const { parents, replaced, notDeleted = 0, notFound = 0 } = restored;
  if (parents > 0) say(`Rows that they belong to came back as well: ${count(parents)}`);
  if (replaced > 0) say(`Active rows that were deleted in their place: ${count(replaced)}`);
  sayLeftAlone({ notDeleted, notFound });
  const reasons = groupBy(restored.failed, (row) => `${row.relation}: ${reasonOf(row)}`);
  for (const [reason, failed] of reasons) {
    say(`\n${reason}`);
    note(`  ${firstOf(failed.map(({ key }) => JSON.stringify(key)))}`);
  }
  if (reasons.size > 0) {
    note(
      'They stay deleted. --on-conflict restore_parents or replace gets past what is in the way.',
    );
  }
}

/** Of keys that were given. */
export function sayLeftAlone(keys: { notDeleted: number; notFound: number }): void {
  if (keys.notDeleted > 0) say(`Not deleted: ${count(keys.notDeleted)}`);
  if (keys.notFound > 0) say(`Not there, or purged already: ${count(keys.notFound)}`);
}

export function firstOf(keys: readonly string[]): string {
  const more = keys.length - keysShown;
  const rest = more > 0 ? [`and ${count(more)} more (--json has all)`] : [];
  return [...keys.slice(0, keysShown), ...rest].join(', ');
}

/** The message of an error that is not ours may quote a row, so its code and where it was raised must do. */
function reasonOf({ code, constraint, raisedIn, message }: FailedRow): string {
  if (message !== null) return message;
  if (code === '23505') return `an active row has the values that ${constraint} keeps unique`;
  if (constraint !== null) return `the constraint ${constraint} does not allow it (${code})`;
  return raisedIn === null ? `the database refused (${code})` : `${raisedIn} refused (${code})`;
}
