import { count } from '../ui.ts';
import type { Candidate } from './candidate.ts';
import { dayOf } from './evidence.ts';
import type { Key, Preview } from './figures.ts';

interface Figures {
  seen: Preview | undefined;
  goes: { rows: number | null; exact: boolean; atMost: boolean };
  oldestMs: number | null | undefined;
  /** For an index, without which nothing was counted. */
  waits: boolean;
}

/** What a purge would do, and why a window deletes nothing. */
export function tonightInWords(
  candidate: Candidate,
  { seen, goes, oldestMs, waits }: Figures,
): string {
  const { dropAfter, marker, flag } = candidate;
  const which = `older than ${dropAfter} by ${marker}${flag ? `, where ${flag}` : ''}`;
  const rows = goes.rows ?? 0;
  const most = goes.atMost ? 'at most ' : '';
  if (waits) {
    return `Tonight, were its index there: ${most}about ${count(rows)} rows (${which}), as the statistics have it.`;
  }
  if (seen?.dueRows === undefined)
    return `Tonight: rows ${which}; there was no time to count them.`;
  if (seen.dueRows === 0) {
    return `Tonight: no rows (${which}). ${whyNone(candidate, oldestMs)}`;
  }
  const held = seen.dueRows - rows;
  const least = goes.atMost ? 'at least ' : '';
  const others =
    held > 0 ? `; ${least}${count(held, goes.exact)} more are due, and others still need them` : '';
  const total = count(seen.totalRows ?? 0, seen.totalRowsExact);
  const unseen = goes.atMost
    ? ' Not all that may need them could be looked at: a dry run counts exactly.'
    : '';
  return `Tonight: ${most}${count(rows, goes.exact)} of ${total} rows (${which})${others}.${unseen}`;
}

function whyNone({ about }: Candidate, oldestMs: number | null | undefined): string {
  if (oldestMs === undefined) {
    return about === 'deleted' ? 'No row is deleted.' : 'It has no rows.';
  }
  if (oldestMs === null) return 'The window deletes nothing yet.';
  const day = dayOf(oldestMs);
  return {
    deleted: `The oldest was deleted on ${day}: the window deletes nothing yet.`,
    written: `The oldest is of ${day}: the window deletes nothing yet.`,
    expired: `The first expires, or has expired, on ${day}: the window deletes nothing yet.`,
  }[about];
}

/** What becomes of rows that refer to those that go. Tables that have none tonight are told of in one line. */
export function keysInWords(keys: readonly Key[]): string[] {
  const idle = (role: Key['role']) => keys.filter((key) => key.role === role && key.rows === 0);
  const [children, released] = [idle('child'), idle('release')];
  return [
    ...keys.filter((key) => !children.includes(key) && !released.includes(key)).flatMap(keyInWords),
    ...(children.length > 0
      ? [`None tonight, and would go with them: rows of ${listed(children)}.`]
      : []),
    ...(released.length > 0
      ? [`None tonight, and would be cleared: references of ${listed(released)}.`]
      : []),
  ];
}

function listed(keys: readonly Key[]): string {
  const named = keys.slice(0, 5).map(({ table, columns }) => `${table}(${columns})`);
  return (
    named.join(', ') + (keys.length > named.length ? ` and ${keys.length - named.length} more` : '')
  );
}

function keyInWords({ table, columns, role, rows, rowsExact, ownPolicy }: Key): string[] {
  const name = `${table}(${columns})`;
  const many = rows === null ? 'rows' : `${count(rows, rowsExact)} rows`;
  if (role === 'child') return [`${name}: ${many} go with them.`];
  if (role === 'release') return [`${name}: ${many} stay, and their reference is cleared.`];
  // Whoever holds nothing is nothing to decide now.
  if (role === 'keep' || rows === 0) return [];
  const holds = rows === null ? 'may hold rows' : `holds ${count(rows, rowsExact)}`;
  return [`${name}: ${holds}, until ${ownPolicy ? 'due itself' : 'you say what becomes of them'}.`];
}
