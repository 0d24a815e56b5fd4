import { isoTime, timeMs } from '../../functions/_shared/clock.ts';
import { bytes, count } from '../ui.ts';
import type { Table } from './catalog.ts';
import type { Evidence } from './proposal.ts';

/** What the catalog says of a table, and of a column of it. */
export function evidenceOf(table: Table, column?: string): Evidence {
  return {
    bytes: table.bytes,
    rows: table.rows,
    rowsPerDay: null,
    oldest: null,
    index: (column && table.indexedBy[column]) || null,
    keys: table.referredBy,
  };
}

export const dayOf = (ms: number): string => isoTime(ms).slice(0, 10);

export function sizeInWords({ bytes: size, rows, rowsPerDay, oldest, index }: Evidence): string {
  const parts = [
    bytes(size),
    rows === null ? 'never analyzed' : `${count(rows, false)} rows`,
    rowsPerDay === null ? '' : `${count(rowsPerDay, false)} a day`,
    oldest === null ? '' : `the oldest of ${dayOf(timeMs(oldest))}`,
    index === null ? '' : `index ${index}`,
  ];
  return `${parts.filter(Boolean).join(', ')}.`;
}
