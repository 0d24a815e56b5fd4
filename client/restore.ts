import { inBatches, inPages, isSingle } from './batches.ts';
import { type About, addCounts, call, isObject, keysForJson, relationOf } from './call.ts';
import {
  NotDeletedError,
  type RestoreConflict,
  RestoreConflictError,
  SoftDeleteError,
} from './errors.ts';
import { rowNotFound, withoutErrors } from './soft-delete.ts';
import type { Client, Given, KeyOf, Keys, RowOf, TableName } from './types.ts';

/** As many are kept of all; each batch has its own in full. */
const maxConflicts = 1_000;

/**
 * What becomes of a row that cannot come back, since an active one has its unique value, or it belongs to a deleted row, or a
 * trigger or constraint refuses it. `skip` leaves it deleted and tells of it; `fail` ends the call, and restores none of its
 * batch; `restore_parents` restores what it belongs to as well; `replace` deletes the active row that is in its way.
 */
export type OnConflict = 'skip' | 'fail' | 'restore_parents' | 'replace';

export interface RestoreOptions {
  /** Default: skip. A single key that cannot come back is a RestoreConflictError. */
  onConflict?: OnConflict | undefined;
  /** Who restores. For a secret key only: of a user it is always the user of the token, and another is NS403. */
  by?: string | undefined;
  /** Why, in words. It is kept in the history. */
  reason?: string | undefined;
  /** Stops between batches and tries. What was committed stays restored, and the batch under way may be. */
  signal?: AbortSignal | undefined;
}

interface Counts<Key> {
  /** Rows that could not come back. */
  failed: number;
  /** Why, of the first 1,000 of them. */
  conflicts: RestoreConflict<Key>[];
  /** Rows that came back because others belong to them (onConflict restore_parents). */
  parents: number;
  /** Active rows that were deleted to make way (onConflict replace). */
  replaced: number;
}

/** After a try whose answer was lost, what it restored is among notDeleted: nobody can tell any more. */
export interface Restoration<Key = unknown> extends Counts<Key> {
  restored: number;
  /** Rows that are active, and stay as they are. */
  notDeleted: number;
  /** Keys without a row, or with one that row level security keeps from this user. */
  notFound: number;
}

export interface OperationRestoration extends Counts<unknown> {
  /** Rows by table. After a try whose answer was lost, what it restored is not among them. */
  restored: Record<string, number>;
  conflicts: (RestoreConflict & { relation: string })[];
}

interface Answer<Conflict> {
  failed: Conflict[];
  parents: number;
  replaced: number;
}
type KeysAnswer<Key> = Answer<RestoreConflict<Key>> &
  Pick<Restoration, 'restored' | 'notDeleted' | 'notFound'>;
type OperationAnswer = Answer<OperationRestoration['conflicts'][number]> &
  Pick<OperationRestoration, 'restored'> & { after: { relation: string; key: object } | null };

type SinceAnswer<Key> = Answer<RestoreConflict<Key>> &
  Pick<Restoration, 'restored'> & { after: object | null };

/**
 * Takes the mark of deletion off rows, by their keys. What went with them by cascade comes back by `restoreOperation`. Rights,
 * batches and repeats are those of `softDelete`.
 *
 *     await restore(client, 'public.orders', 17);
 *     await restore(client, 'public.products', 5, { overrides: { sku: 'A-17-old' } });
 *     const { failed, conflicts } = await restore(client, 'public.orders', keys, { onConflict: 'restore_parents' });
 *
 * Errors, for a single key: NotDeletedError, RowNotFoundError, RestoreConflictError. Of a list, all are counts, unless
 * onConflict is 'fail'. Otherwise SoftDeleteError: NS403 not for users, or in the name of another; NS404 soft delete is not
 * enabled; NS422 no key of this table. The signal's reason, when aborted.
 */
export async function restore<
  Database,
  Name extends TableName<Database>,
  Key = KeyOf<Database, Name>,
>(
  client: Client<Database>,
  table: Name,
  keys: Keys<Given<Key>>,
  {
    onConflict = 'skip',
    by,
    reason,
    overrides,
    signal,
    onProgress,
  }: RestoreOptions & {
    /** Of a single key: values that its row gets with the restore, such as another unique one. */
    overrides?: Partial<RowOf<Database, Name>> | undefined;
    /** Called after each committed batch, with the totals so far and with the batch's own. */
    onProgress?: ((total: Restoration<Key>, batch: Restoration<Key>) => void) | undefined;
  } = {},
): Promise<Restoration<Key>> {
  const about: About = { table, signal };
  const single = isSingle(keys);
  const total: Restoration<Key> = { restored: 0, notDeleted: 0, notFound: 0, ...nothing() };
  const restoreBatch = async (batch: Key[]) => {
    const asked = keysForJson(batch, about);
    const args = {
      relation: relationOf(table),
      keys: overrides ? asked : withoutErrors(asked),
      // To skip a single row is to restore none, and its failure is recorded.
      on_conflict: single && onConflict === 'fail' ? 'skip' : onConflict,
      restored_by: by,
      reason,
      overrides,
    };
    const called = call(client, 'restore', args, isKeysAnswer<Key>, about);
    return called.catch((error: unknown) => {
      if (!isOwn(error, 'NS409')) throw error;
      // For a single key it says that the row is not deleted; for several, of which none may fail, that one cannot come back.
      if (!overrides) throw new RestoreConflictError(error.message, error);
      const answer: KeysAnswer<Key> = {
        restored: 0,
        notDeleted: 1,
        notFound: 0,
        failed: [],
        parents: 0,
        replaced: 0,
      };
      return { answer, answerLost: error.answerLost };
    });
  };

  for await (const { answer, answerLost } of inBatches(keys, signal, restoreBatch)) {
    const { failed: conflicts, ...counts } = answer;
    const batch: Restoration<Key> = { ...counts, failed: conflicts.length, conflicts };
    if (single) requireRestored(batch, answerLost, about);
    total.restored += batch.restored;
    total.notDeleted += batch.notDeleted;
    total.notFound += batch.notFound;
    add(total, answer);
    onProgress?.(structuredClone(total), batch);
  }
  return total;
}

/**
 * Restores exactly the rows that an operation deleted and that are deleted still, in all tables, with what went along by
 * cascade. In committed batches of 1,000, each tried again as in `softDelete`.
 *
 *     const { operation } = await softDelete(client, 'public.orders', 17);
 *     await restoreOperation(client, operation);
 *
 * Errors: RestoreConflictError with onConflict 'fail'. Otherwise SoftDeleteError: NS404 it has no rows that are deleted, in tables that are
 * for this user; NS403 in the name of another. The signal's reason, when aborted.
 */
export async function restoreOperation<Database>(
  client: Client<Database>,
  operation: string,
  {
    onConflict = 'skip',
    by,
    reason,
    signal,
    onProgress,
  }: RestoreOptions & {
    /** Called after each committed batch, with the totals so far. */
    onProgress?: ((total: OperationRestoration) => void) | undefined;
  } = {},
): Promise<OperationRestoration> {
  const about: About = { operation, signal };
  const total: OperationRestoration = { restored: {}, ...nothing() };
  const args = { operation, on_conflict: onConflict, restored_by: by, reason };
  const restorePage = (page: object): Promise<OperationAnswer> =>
    call(client, 'restore_operation', { ...args, ...page }, isOperationAnswer, about).then(
      ({ answer }) => answer,
      (error: unknown) => {
        // The try whose answer was lost restored all there was.
        if (isOwn(error, 'NS404') && error.answerLost)
          return { restored: {}, failed: [], parents: 0, replaced: 0, after: null };
        throw isOwn(error, 'NS409') ? new RestoreConflictError(error.message, error) : error;
      },
    );
  for await (const answer of inPages(signal, restorePage)) {
    addCounts(total.restored, answer.restored);
    add(total, answer);
    onProgress?.(structuredClone(total));
  }
  return total;
}

export type RestorationSince<Key = unknown> = Omit<Restoration<Key>, 'notDeleted' | 'notFound'>;

/**
 * Restores the rows of a table that were deleted at a moment or later, whoever deleted them, the earliest first. What went
 * along with them in other tables comes back by a call for each of those, after this one. Batches and repeats are those of
 * `restoreOperation`. No such row is no error. For a secret key only.
 *
 *     await restoreSince(client, 'public.orders', '2026-03-01T12:00:00Z');
 *
 * Errors: RestoreConflictError with onConflict 'fail'. Otherwise SoftDeleteError: 42501 a user asks; NS404 soft delete is not
 * enabled. The signal's reason, when aborted.
 */
export async function restoreSince<
  Database,
  Name extends TableName<Database>,
  Key = KeyOf<Database, Name>,
>(
  client: Client<Database>,
  table: Name,
  /** With its time zone, as in '2026-03-01T12:00:00Z' or what toISOString of a Date gives. */
  since: string,
  {
    onConflict = 'skip',
    by,
    reason,
    signal,
    onProgress,
  }: RestoreOptions & {
    /** Called after each committed batch, with the totals so far. */
    onProgress?: ((total: RestorationSince<Key>) => void) | undefined;
  } = {},
): Promise<RestorationSince<Key>> {
  const about: About = { table, signal };
  const total: RestorationSince<Key> = { restored: 0, ...nothing() };
  const relation = relationOf(table);
  const args = { relation, since, on_conflict: onConflict, restored_by: by, reason };
  const restorePage = (page: object): Promise<SinceAnswer<Key>> =>
    call(client, 'restore_since', { ...args, ...page }, isSinceAnswer<Key>, about).then(
      ({ answer }) => answer,
      (error: unknown) => {
        throw isOwn(error, 'NS409') ? new RestoreConflictError(error.message, error) : error;
      },
    );
  for await (const answer of inPages(signal, restorePage)) {
    total.restored += answer.restored;
    add(total, answer);
    onProgress?.(structuredClone(total));
  }
  return total;
}

const nothing = () => ({ failed: 0, conflicts: [], parents: 0, replaced: 0 });

function add<Conflict extends RestoreConflict>(
  total: { failed: number; conflicts: Conflict[]; parents: number; replaced: number },
  { failed, parents, replaced }: Answer<Conflict>,
): void {
  total.failed += failed.length;
  total.conflicts.push(...failed.slice(0, maxConflicts - total.conflicts.length));
  total.parents += parents;
  total.replaced += replaced;
}

const isOwn = (error: unknown, code: string): error is SoftDeleteError =>
  error instanceof SoftDeleteError && error.code === code;

function requireRestored(
  { notDeleted, notFound, conflicts: [conflict] }: Restoration,
  answerLost: boolean,
  about: About,
): void {
  const { table } = about;
  if (conflict) {
    const why = conflict.message ?? [conflict.code, conflict.constraint].filter(Boolean).join(' ');
    throw new RestoreConflictError(`The row of ${table} cannot come back: ${why}`, {
      code: 'NS409',
      hint: 'onConflict says what becomes of what is in the way: restore_parents or replace; overrides gives the row other values.',
      details: conflict.raisedIn ?? undefined,
      table,
      conflict,
    });
  }
  if (notDeleted > 0 && !answerLost) {
    throw new NotDeletedError(`The row of ${table} is not deleted`, {
      code: 'NS409',
      hint: 'There is nothing to restore.',
      table,
    });
  }
  if (notFound > 0) throw rowNotFound(about);
}

const isKeysAnswer = <Key>(data: unknown): data is KeysAnswer<Key> =>
  isObject(data) && 'notDeleted' in data && 'failed' in data;

const isOperationAnswer = (data: unknown): data is OperationAnswer =>
  isObject(data) && 'after' in data && 'failed' in data;

const isSinceAnswer = <Key>(data: unknown): data is SinceAnswer<Key> =>
  isObject(data) && 'after' in data && 'failed' in data;
