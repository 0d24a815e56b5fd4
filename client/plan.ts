import { isSingle } from './batches.ts';
import { type About, call, isObject, keysForJson, relationOf } from './call.ts';
import type { Client, Given, KeyOf, TableName } from './types.ts';

export interface DeletionPlan {
  /** Rows by table and way: `via` is the foreign key by which they go along, null for the rows themselves. */
  tables: { relation: string; rows: number; via: string | null }[];
  /** What keeps it from being done: rows that refer to it with ON DELETE RESTRICT, 1,000 at most for each table. */
  restricted: { referencing: string; constraint: string; rows: number }[];
  alreadyDeleted: number;
  notFound: number;
  /** Passed to `softDelete` as `confirmed`, it is done only while it is still this. */
  hash: string;
}

/**
 * What `softDelete` of one key or of up to 1,000 would delete, for whoever has to confirm it. It changes nothing. Rights and
 * errors are those of `softDelete`, but what is deleted already or not there is counted.
 */
export async function planDelete<
  Database,
  Name extends TableName<Database>,
  Key = KeyOf<Database, Name>,
>(
  client: Client<Database>,
  table: Name,
  keys: Given<Key> | readonly Given<Key>[],
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<DeletionPlan> {
  const about: About = { table, signal };
  const list = isSingle(keys) ? [keys] : [...keys];
  const args = { relation: relationOf(table), keys: keysForJson(list, about) };
  return (await call(client, 'plan_delete', args, isPlan, about)).answer;
}

export interface RestorationPlan {
  /** Rows that are deleted and would come back, those with something in the way included. */
  tables: { relation: string; rows: number }[];
  /** Of keys that were given: rows that are active. */
  notDeleted: number;
  /** Of keys that were given: those without a row, or with one that row level security keeps from this user. */
  notFound: number;
  /** The first 1,000. What belongs to one of these rows stays deleted with it; what a trigger says, only the restore itself tells. */
  conflicts: {
    relation: string;
    /** A value, or an object where the key has several columns. */
    key: unknown;
    /** Another row has its unique value, or it belongs to a deleted row that does not come back with it. */
    kind: 'unique' | 'parent_deleted';
    constraint: string;
    /** The key of that row. */
    blocking: unknown;
  }[];
  moreConflicts: boolean;
}

/**
 * What is to be planned: the restore of an operation, of keys (up to 10,000), or of all that was deleted since a moment, which
 * is for a secret key only.
 */
export type ToRestore<Database, Name, Key = KeyOf<Database, Name>> =
  | string
  | { table: Name; keys: Given<Key> | readonly Given<Key>[] }
  | { table: Name; since: string };

/**
 * What `restoreOperation`, `restore` or `restoreSince` would restore, and what is in its way. It changes nothing, and has the
 * rights of the client. A single key that is not deleted or not there is counted.
 *
 *     await planRestore(client, operation);
 *     await planRestore(client, { table: 'public.orders', keys: [17, 18] });
 *     await planRestore(client, { table: 'public.orders', since: '2026-03-01T12:00:00Z' });
 *
 * Errors: SoftDeleteError NS403 not for users; NS404 the operation has no rows that are deleted, in tables that are for this
 * user, or soft delete is not enabled; NS422 no key of this table.
 */
export async function planRestore<
  Database,
  Name extends TableName<Database>,
  Key = KeyOf<Database, Name>,
>(
  client: Client<Database>,
  what: ToRestore<Database, Name, Key>,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<RestorationPlan> {
  const about: About =
    typeof what === 'string' ? { operation: what, signal } : { table: what.table, signal };
  const args = typeof what === 'string' ? { operation: what } : inTable(what, about);
  return (await call(client, 'plan_restore', args, isRestorationPlan, about)).answer;
}

function inTable<Key>(
  what: { table: string; keys: Key | readonly Key[] } | { table: string; since: string },
  about: About,
) {
  const relation = relationOf(what.table);
  if ('since' in what) return { relation, since: what.since };
  const list = isSingle(what.keys) ? [what.keys] : [...what.keys];
  return { relation, keys: keysForJson(list, about) };
}

const isRestorationPlan = (data: unknown): data is RestorationPlan =>
  isObject(data) && 'conflicts' in data;

const isPlan = (data: unknown): data is DeletionPlan => isObject(data) && 'hash' in data;
