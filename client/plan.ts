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
  tables: { relation: string; rows: number }[];
  /** The first 1,000. What a trigger says, only the restore itself tells. */
  conflicts: {
    relation: string;
    /** A value, or an object where the key has several columns. */
    key: unknown;
    /** An active row has taken its unique value, or it belongs to a row that another operation deleted. */
    kind: 'unique' | 'parent_deleted';
    constraint: string;
    /** The key of that row. */
    blocking: unknown;
  }[];
  moreConflicts: boolean;
}

/**
 * What `restoreOperation` would restore, and what is in its way. It changes nothing, and has the rights of the client. Errors:
 * SoftDeleteError NS404, the operation has no rows that are deleted, in tables that are for this user.
 */
export async function planRestore<Database>(
  client: Client<Database>,
  operation: string,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<RestorationPlan> {
  const about: About = { operation, signal };
  return (await call(client, 'plan_restore', { operation }, isRestorationPlan, about)).answer;
}

const isRestorationPlan = (data: unknown): data is RestorationPlan =>
  isObject(data) && 'conflicts' in data;

const isPlan = (data: unknown): data is DeletionPlan => isObject(data) && 'hash' in data;
