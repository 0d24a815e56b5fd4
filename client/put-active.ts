import { type About, call, isObject, relationOf } from './call.ts';
import type { Client, KeyOf, RowOf, TableName } from './types.ts';

/** After a try whose answer was lost, the row that it wrote is `updated`. */
export interface Put<Key = unknown> {
  action: 'inserted' | 'updated' | 'revived';
  /** A value, or an object where the key has several columns. */
  key: Key;
}

/**
 * Writes a row so that there is one active row with its values of `conflictColumns`, which must be unique among active rows:
 * adds it, or updates the active one that has them. It is the upsert that the Data API cannot do. Rights and repeats are those
 * of `softDelete`.
 *
 *     await putActive(client, 'public.products', { sku: 'A-17', price: 3 }, { conflictColumns: ['sku'] });
 *
 * Errors: SoftDeleteError, and nothing is written: NS409 a deleted row is in the way, or an active one with another primary key;
 * NS403 not for users; NS404 soft delete is not enabled; NS422 no such columns, or not unique among active rows.
 */
export async function putActive<
  Database,
  Name extends TableName<Database>,
  Key = KeyOf<Database, Name>,
>(
  client: Client<Database>,
  table: Name,
  row: Partial<RowOf<Database, Name>>,
  {
    conflictColumns,
    onDeleted = 'reject',
    signal,
  }: {
    conflictColumns: readonly (keyof RowOf<Database, Name> & string)[];
    /**
     * What becomes of a deleted row with these values or this primary key: `reject` (default) refuses, `revive` brings it back
     * with the new values, `create` leaves it deleted and adds another.
     */
    onDeleted?: 'reject' | 'revive' | 'create' | undefined;
    signal?: AbortSignal | undefined;
  },
): Promise<Put<Key>> {
  const about: About = { table, signal };
  const columns = conflictColumns.map((column) => `"${column.replaceAll('"', '""')}"`);
  const args = {
    relation: relationOf(table),
    row_values: row,
    conflict_columns: columns.join(', '),
    on_deleted: onDeleted,
  };
  return (await call(client, 'put_active', args, isPut<Key>, about)).answer;
}

const isPut = <Key>(data: unknown): data is Put<Key> => isObject(data) && 'action' in data;
