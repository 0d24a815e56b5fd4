/** Soft delete for application code, with any client of supabase-js. Runs in Node, Deno and browsers. See docs/client.md. */
export {
  AlreadyDeletedError,
  NotDeletedError,
  type RestoreConflict,
  RestoreConflictError,
  RowNotFoundError,
  SoftDeleteError,
} from './errors.ts';
export {
  type DeletionPlan,
  planDelete,
  planRestore,
  type RestorationPlan,
  type ToRestore,
} from './plan.ts';
export { type Put, putActive } from './put-active.ts';
export {
  type OnConflict,
  type OperationRestoration,
  type Restoration,
  type RestorationSince,
  type RestoreOptions,
  restore,
  restoreOperation,
  restoreSince,
} from './restore.ts';
export { type DeleteOptions, type Deletion, softDelete, startOperation } from './soft-delete.ts';
export { type DeletionStats, deletionStats } from './stats.ts';
export type { Client, KeyOf, Keys, TableName, WithSoftDelete } from './types.ts';
export { type Condition, type DeletionWhere, softDeleteWhere } from './where.ts';
