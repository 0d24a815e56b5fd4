/**
 * What a call ends with when it cannot do what it was asked for. `code` is one of Nightshift's (docs/errors.md), a SQLSTATE, or
 * a code of PostgREST; `hint` is the fix. Its text may quote what was asked for: mind where you log it.
 */
export class SoftDeleteError extends Error {
  override readonly name: string = 'SoftDeleteError';
  readonly code: string;
  readonly hint: string | undefined;
  readonly details: string | undefined;
  /** As in 'public.orders'; undefined where a call is about no single table. */
  readonly table: string | undefined;
  /**
   * Of a deletion that stopped on its way: what was deleted before carries it. Pass it to `softDelete` to go on, or to
   * `restoreOperation` to undo it.
   */
  readonly operation: string | undefined;
  /** The call may have been carried out all the same: of one try nobody knows how it ended. */
  readonly answerLost: boolean;

  constructor(message: string, failure: Failure) {
    super(message);
    this.code = failure.code;
    this.hint = failure.hint;
    this.details = failure.details;
    this.table = failure.table;
    this.operation = failure.operation;
    this.answerLost = failure.answerLost ?? false;
  }
}

export interface Failure {
  code: string;
  hint?: string | undefined;
  details?: string | undefined;
  table?: string | undefined;
  operation?: string | undefined;
  answerLost?: boolean;
}

/** Of a single key: its row was deleted before. It keeps the time, the user and the reason of its first deletion. */
export class AlreadyDeletedError extends SoftDeleteError {
  override readonly name = 'AlreadyDeletedError';
}

/** Of a single key: its row is not deleted, so there is nothing to restore. */
export class NotDeletedError extends SoftDeleteError {
  override readonly name = 'NotDeletedError';
}

/** Of a single key: there is no such row, or row level security keeps it from this user, who is not told which. */
export class RowNotFoundError extends SoftDeleteError {
  override readonly name = 'RowNotFoundError';
}

/** Why a row cannot come back. */
export interface RestoreConflict<Key = unknown> {
  /** A value, or an object where the key has several columns. */
  key: Key;
  /** 23505 its unique value was taken, NS409 it belongs to a deleted row, or what a trigger or constraint raised. */
  code: string;
  constraint: string | null;
  /** The line and function of a trigger. */
  raisedIn: string | null;
  /** Of Nightshift's own codes only: others may quote a row. */
  message: string | null;
}

/** A single row cannot come back, or with onConflict 'fail' one of several, and then none of its batch did. */
export class RestoreConflictError extends SoftDeleteError {
  override readonly name = 'RestoreConflictError';
  /** Undefined with onConflict 'fail' and several keys: then the message says what is in the way. */
  readonly conflict: RestoreConflict | undefined;

  constructor(message: string, options: Failure & { conflict?: RestoreConflict | undefined }) {
    super(message, options);
    this.conflict = options.conflict;
  }
}
