import type { Candidate } from './candidate.ts';
import { type Column, isNow, isTime, type Table } from './catalog.ts';
import type { SoftDelete } from './soft-deletes.ts';

/** A word of these in its name, and the rows of a table only tell what happened. */
const surely = new Set([
  'log',
  'logs',
  'audit',
  'audits',
  'telemetry',
  'analytics',
  'pageview',
  'pageviews',
  'impressions',
  'clickstream',
  'traces',
  'heartbeats',
  'pings',
]);
/** These are logs as well, unless the table has more of a thing of its own than of something that happened. */
const perhaps = new Set([
  'event',
  'events',
  'history',
  'activity',
  'activities',
  'notifications',
  'deliveries',
  'attempts',
  'visits',
  'hits',
  'clicks',
  'views',
  'requests',
  'calls',
  'readings',
  'samples',
  'measurements',
  'metrics',
  'errors',
  'webhooks',
]);
/** So are these, as the last word: "WebhookCall", unlike "call_types". */
const perhapsAtTheEnd = new Set([
  'notification',
  'delivery',
  'attempt',
  'visit',
  'click',
  'request',
  'call',
  'reading',
  'measurement',
  'error',
]);
/** What passes, and says itself when. */
const passing = new Set([
  'session',
  'sessions',
  'token',
  'tokens',
  'otp',
  'otps',
  'invite',
  'invites',
  'invitation',
  'invitations',
  'cache',
  'lock',
  'locks',
  'nonce',
  'nonces',
  'challenge',
  'challenges',
  'verification',
  'verifications',
]);
/** Of a machine, or of a person who wants to see it again: it is kept when it has expired. */
const lasting = new Set(['api', 'access', 'personal', 'service']);
/** Kept for years, by law. */
const money = new Set([
  'payment',
  'payments',
  'invoice',
  'invoices',
  'order',
  'orders',
  'transaction',
  'transactions',
  'billing',
  'ledger',
  'charge',
  'charges',
  'refund',
  'refunds',
  'payout',
  'payouts',
  'subscription',
  'subscriptions',
  'consent',
  'consents',
  'credit',
  'credits',
]);
const keptLonger = new Set([
  'audit',
  'audits',
  'history',
  'metrics',
  'reading',
  'readings',
  'samples',
  'measurement',
  'measurements',
]);

/** A time that a row has from its beginning. */
const begins =
  /^(created|inserted|logged|occurr?ed|recorded|received|happened|emitted|event|ingested|sent|tracked|visited|viewed)|^(ts|at|time|timestamp|datetime|date|when)$/i;
const isNoBeginning =
  /updat|modif|chang|expir|delet|remov|start|end|due|schedul|birth|read|seen|valid|until|last|finish|complet/i;
const isChanged = /^(updated|modified|changed|last_?updated)/i;
/** A table with these is a calendar, or a thing of its own. */
const ofItsOwn =
  /^(start|end|begin|finish|due|schedul|all_?day|rrule|recurrence|venue|location|title|capacity|published)/i;
/** Of a queue: what waits in it has no such time, and may still be worked on. */
const isWorked = /^(processed|handled|consumed|dispatched)_?at$/i;
const expires = /^expir(e|es|ed|y|ation)(_?(at|on|date|time))?$|^valid_?until$/i;

export function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])/g, '$1$3_$2$4')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter(Boolean);
}

export const isOfMoney = (name: string): boolean => wordsOf(name).some((word) => money.has(word));

/** When a row was written: a time that Postgres or the application sets with the row. */
export function timeOfWriting({ columns, indexedBy }: Table): string | undefined {
  const worth = (column: Column) =>
    (isNow(column) ? 3 : 0) +
    (column.notNull ? 2 : 0) +
    (begins.test(column.name) ? 2 : 0) +
    (indexedBy[column.name] ? 1 : 0);
  return columns
    .filter(
      (column) =>
        isTime(column) &&
        !column.generated &&
        !isNoBeginning.test(column.name) &&
        worth(column) >= 3,
    )
    .toSorted((one, other) => worth(other) - worth(one))[0]?.name;
}

/** Tables whose rows age by themselves, and which nothing refers to that would have to go first. */
export function logs(tables: readonly Table[], marked: readonly SoftDelete[]): Candidate[] {
  const things = new Set(marked.map(({ table }) => table.oid));
  return tables.flatMap((table): Candidate[] => {
    // The partitions of a partitioned one go as a whole.
    if (
      table.kind !== 'table' ||
      table.has.retention ||
      things.has(table.oid) ||
      table.referredBy.length > 0
    )
      return [];
    const words = wordsOf(table.name);
    const has = (set: ReadonlySet<string>) => words.some((word) => set.has(word));
    const expiry = table.columns.find((column) => isTime(column) && expires.test(column.name));
    if (isOfMoney(table.name)) return [];
    if (expiry && has(passing) && !has(lasting)) {
      return [
        { table, dropAfter: '7 days', marker: expiry.name, flag: undefined, about: 'expired' },
      ];
    }
    const written = timeOfWriting(table);
    const may = has(perhaps) || perhapsAtTheEnd.has(words.at(-1) ?? '');
    if (!written || !(has(surely) || (may && onlyTells(table)))) return [];
    const dropAfter = has(keptLonger) ? '1 year' : '90 days';
    const worked = table.columns.find(
      (column) =>
        isTime(column) && !column.notNull && column.default === null && isWorked.test(column.name),
    );
    const marker = worked?.name ?? written;
    return [{ table, dropAfter, marker, flag: undefined, about: 'written' }];
  });
}

function onlyTells({ columns }: Table): boolean {
  // Not "changed_by", which a history has of whoever made the change.
  return !columns.some(
    (column) => (isTime(column) && isChanged.test(column.name)) || ofItsOwn.test(column.name),
  );
}
