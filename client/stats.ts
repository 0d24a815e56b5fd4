import { type About, call, isObject, relationOf } from './call.ts';
import type { Client, TableName } from './types.ts';

/** Counted where `exact`, otherwise estimated: beyond 100,000. */
interface Count {
  rows: number;
  exact: boolean;
}

export interface DeletionStats {
  active: Count;
  deleted: Count;
  oldestDeletedAt: string | null;
  /** The last 30 days of UTC, the earliest first. */
  byDay: { day: string; deleted: number; restored: number }[];
  /** Rows restored by rows deleted in these days; null when none was deleted. */
  restoreRate: number | null;
  /** What the purge may take in the next 7 days; null without a retention policy. */
  dueNext7Days: Count | null;
  /** With indexes. */
  bytes: number;
}

/** Figures of a table with soft delete. For a secret key only. Errors: SoftDeleteError NS404, soft delete is not enabled. */
export async function deletionStats<Database>(
  client: Client<Database>,
  table: TableName<Database>,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<DeletionStats> {
  const about: About = { table, signal };
  return (await call(client, 'deletion_stats', { relation: relationOf(table) }, isStats, about))
    .answer;
}

const isStats = (data: unknown): data is DeletionStats => isObject(data) && 'byDay' in data;
