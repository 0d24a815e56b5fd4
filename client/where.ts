import { maxBatch, tookTooLong } from './batches.ts';
import { type About, addCounts, call, isObject, relationOf } from './call.ts';
import { SoftDeleteError } from './errors.ts';
import { type DeleteOptions, type Deletion, startOperation } from './soft-delete.ts';
import type { Client, RowOf, TableName } from './types.ts';

type Comparison<Row> = {
  [Column in keyof Row & string]:
    | { column: Column; operator: 'is_null' | 'not_null' }
    | { column: Column; operator: 'in'; value: NonNullable<Row[Column]>[] }
    | {
        column: Column;
        operator: 'eq' | 'neq' | 'lt' | 'lte' | 'gt' | 'gte';
        value: NonNullable<Row[Column]>;
      };
}[keyof Row & string];

/** All of it must be true. It is data, so it may hold what users chose. Of null only is_null and not_null are true. */
export type Condition<Database, Name> = readonly Comparison<RowOf<Database, Name>>[];

/** After a try whose answer was lost, what it deleted is not counted; it carries the operation like the rest. */
export type DeletionWhere = Pick<Deletion, 'operation' | 'deletedAt' | 'deleted' | 'cascaded'>;

type Answer = DeletionWhere & { deletedAt: string; more: boolean };

/**
 * Deletes all rows that meet a condition, as `softDelete` does: in committed batches of 1,000 and one operation, with the same
 * rights, repeats and errors. That there is no such row is no error.
 *
 *     await softDeleteWhere(client, 'public.orders', [{ column: 'status', operator: 'in', value: ['done', 'failed'] }]);
 *
 * Errors besides those of `softDelete`: SoftDeleteError NS422, no condition, or a column or value that the table does not have.
 */
export async function softDeleteWhere<Database, Name extends TableName<Database>>(
  client: Client<Database>,
  table: Name,
  condition: Condition<Database, Name>,
  {
    by,
    reason,
    operation: given,
    signal,
    onProgress,
  }: Omit<DeleteOptions, 'confirmed' | 'onProgress'> & {
    /** Called after each committed batch, with the totals so far. */
    onProgress?: ((total: DeletionWhere) => void) | undefined;
  } = {},
): Promise<DeletionWhere> {
  const operation = given ?? (await startOperation(client, { signal }));
  const about: About = { table, operation, signal };
  const total: DeletionWhere = { operation, deletedAt: null, deleted: 0, cascaded: {} };
  let rows = maxBatch;
  for (;;) {
    signal?.throwIfAborted();
    const args = {
      relation: relationOf(table),
      condition,
      deleted_by: by,
      reason,
      operation,
      max_rows: rows,
    };
    try {
      const { answer } = await call(client, 'soft_delete_where', args, isAnswer, about);
      if (answer.more && answer.deleted === 0) throw refused(about);
      total.deletedAt = answer.deletedAt;
      total.deleted += answer.deleted;
      addCounts(total.cascaded, answer.cascaded);
      onProgress?.(structuredClone(total));
      if (!answer.more) return total;
    } catch (error) {
      if (rows === 1 || !tookTooLong(error)) throw error;
      rows = Math.ceil(rows / 2);
    }
  }
}

/** Or it would go on for ever. */
const refused = ({ table, operation }: About) =>
  new SoftDeleteError(`Rows of ${table} meet the condition, and none of them can be deleted`, {
    code: 'NS422',
    hint: 'A trigger of the table keeps them as they are.',
    table,
    operation,
  });

const isAnswer = (data: unknown): data is Answer => isObject(data) && 'more' in data;
