import { inBatches, isSingle } from './batches.ts';
import { type About, addCounts, call, isObject, keysForJson, relationOf } from './call.ts';
import { AlreadyDeletedError, RowNotFoundError } from './errors.ts';
import type { Client, Given, KeyOf, Keys, TableName } from './types.ts';

export interface DeleteOptions {
  /** Who deletes. For a secret key only: of a user it is always the user of the token, and another is NS403. */
  by?: string | undefined;
  /** Why, in words. It is kept with each row. */
  reason?: string | undefined;
  /**
   * From `startOperation`: to delete from several tables in one operation, or to go on with one that stopped. At most a day
   * old, and of a user one in which nobody else has deleted anything.
   */
  operation?: string | undefined;
  /** The hash of `planDelete`, for up to 1,000 keys: NS409 when other rows would go by now, and nothing is deleted. */
  confirmed?: string | undefined;
  /** Stops between batches and tries. What was committed stays deleted, and the batch under way may be. */
  signal?: AbortSignal | undefined;
  /** Called after each committed batch, with the totals so far and with the batch's own. */
  onProgress?: ((total: Deletion, batch: Deletion) => void) | undefined;
}

export interface Deletion {
  /** A uuid of version 7, in `deletion_id` of all rows. `restoreOperation` brings exactly them back. */
  operation: string;
  /** The time of the server that all rows have in `deleted_at`, as ISO 8601; null where no key was given. */
  deletedAt: string | null;
  /** Rows that this call deleted. */
  deleted: number;
  /** Rows that had been deleted before, and stay as they were. A key that comes in two batches is counted here. */
  alreadyDeleted: number;
  /** Keys without a row, or with one that row level security keeps from this user. */
  notFound: number;
  /** Rows of other tables that went along, by table. */
  cascaded: Record<string, number>;
}

interface Answer extends Deletion {
  deletedAt: string;
  repeated: number;
}

/**
 * Begins an operation, at the time of the server. It changes nothing: rows that are deleted within a day with it have its
 * time and its id, and `restoreOperation` brings them back together.
 */
export async function startOperation<Database>(
  client: Client<Database>,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const isId = (data: unknown): data is string => typeof data === 'string';
  return (await call(client, 'start_operation', {}, isId, { signal })).answer;
}

/**
 * Marks rows as deleted, with what goes along by cascade. The rights are those of the client: a secret key may all, a user
 * what row level security allows, in tables that are enabled for users.
 *
 * Any number of keys, also from an async generator: they go in batches of 1,000, of which no more than one is held, each
 * committed by itself and all in one operation. So when it stops on its way, what was committed stays deleted; the error has
 * the operation to go on with or to undo. A batch that the database has no time for is halved. What may pass (conflicts,
 * locks, lost connections, a busy or restarting API) is tried again for about ten seconds; the operation is begun
 * beforehand, so that a batch whose answer was lost is not taken for somebody else's.
 *
 *     await softDelete(client, 'public.orders', 17, { reason: 'Cancelled by phone' });
 *     const { operation } = await softDelete(client, 'public.orders', [17, 18, 19]);
 *     await softDelete(client, 'public.order_lines', [{ order_id: 17, line: 1 }]);
 *
 * Errors, for a single key: AlreadyDeletedError, RowNotFoundError. Of a list, both are counts. Otherwise SoftDeleteError: NS403
 * not for users, or in the name of another; NS404 soft delete is not enabled; NS409 rows that refer to it with ON DELETE
 * RESTRICT; NS422 no key of this table, or an operation that is not of the last day. The signal's reason, when aborted, and
 * what a generator of keys throws, as they are: pass an operation from `startOperation` to know it then.
 */
export async function softDelete<
  Database,
  Name extends TableName<Database>,
  Key = KeyOf<Database, Name>,
>(
  client: Client<Database>,
  table: Name,
  keys: Keys<Given<Key>>,
  { by, reason, operation: given, confirmed, signal, onProgress }: DeleteOptions = {},
): Promise<Deletion> {
  const operation = given ?? (await startOperation(client, { signal }));
  const about: About = { table, operation, signal };
  const total: Deletion = {
    operation,
    deletedAt: null,
    deleted: 0,
    alreadyDeleted: 0,
    notFound: 0,
    cascaded: {},
  };
  const deleteBatch = async (batch: Key[]): Promise<Answer> => {
    const asked = withoutErrors(keysForJson(batch, about));
    const args = {
      relation: relationOf(table),
      keys: asked,
      deleted_by: by,
      reason,
      operation,
      confirmed,
    };
    const { answer, answerLost } = await call(client, 'soft_delete', args, isAnswer, about);
    return answerLost ? creditRepeated(answer) : answer;
  };

  for await (const answer of inBatches(keys, signal, deleteBatch)) {
    if (isSingle(keys)) requireDeleted(answer, about);
    const { repeated, ...batch } = answer;
    total.deletedAt = batch.deletedAt;
    total.deleted += batch.deleted;
    total.alreadyDeleted += batch.alreadyDeleted;
    total.notFound += batch.notFound;
    addCounts(total.cascaded, batch.cascaded);
    onProgress?.(structuredClone(total), batch);
  }
  return total;
}

/**
 * The functions take a single key for one row whose state matters, and raise errors for it. Here the counts say it: a batch of
 * one may be the end of a long list. A key that is given twice is counted once.
 */
export const withoutErrors = (keys: unknown[]): unknown[] =>
  keys.length === 1 ? [...keys, ...keys] : keys;

/** What the try before it deleted, whose answer was lost. */
function creditRepeated(answer: Answer): Answer {
  return {
    ...answer,
    deleted: answer.deleted + answer.repeated,
    alreadyDeleted: answer.alreadyDeleted - answer.repeated,
  };
}

function requireDeleted({ alreadyDeleted, repeated, notFound }: Answer, about: About): void {
  if (alreadyDeleted > repeated) {
    throw new AlreadyDeletedError(`The row of ${about.table} is deleted already`, {
      code: 'NS409',
      hint: 'It keeps the time, the user and the reason of its first deletion. To bring it back: restore.',
      table: about.table,
    });
  }
  if (notFound > 0) throw rowNotFound(about);
}

export function rowNotFound({ table }: About): RowNotFoundError {
  return new RowNotFoundError(`There is no such row in ${table}, or not for this user`, {
    code: 'NS404',
    hint: 'It may have been purged. Row level security says which rows a user may see and change.',
    table,
  });
}

const isAnswer = (data: unknown): data is Answer => isObject(data) && 'alreadyDeleted' in data;
