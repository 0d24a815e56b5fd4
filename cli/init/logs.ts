import type { Candidate } from './candidate.ts';
import { type Column, isNow, isTime, type Table } from './catalog.ts';
import type { LeftOut } from './proposal.ts';
import type { SoftDelete } from './soft-deletes.ts';
import { callOf } from './sql.ts';

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

/** Tables whose rows age by themselves, and those whose name says so and that something else speaks against. */
export function logs(
  tables: readonly Table[],
  marked: readonly SoftDelete[],
): { candidates: Candidate[]; leftOut: LeftOut[] } {
  const things = new Set(marked.map(({ table }) => table.oid));
  const found = tables
    // The partitions of a partitioned one go as a whole.
    .filter(({ kind, has, oid }) => kind === 'table' && !has.retention && !things.has(oid))
    .map(judge)
    .filter((one) => one !== undefined);
  return {
    candidates: found.filter((one) => 'table' in one),
    leftOut: found.filter((one) => 'why' in one),
  };
}

/** Undefined: neither its name nor its columns say that its rows age. */
function judge(table: Table): Candidate | LeftOut | undefined {
  const { name, columns, relation, referredBy } = table;
  const words = wordsOf(name);
  const has = (set: ReadonlySet<string>) => words.some((word) => set.has(word));
  const times = columns.filter(isTime);
  const expiring = times.find((column) => expires.test(column.name));
  const expiry = has(passing) ? expiring : undefined;
  const tells = has(surely) || has(perhaps) || perhapsAtTheEnd.has(words.at(-1) ?? '');
  const leftOut = (why: string, fix: string | null = null) => ({ relation, why, fix });
  if (!(expiry || tells)) {
    return expiring && !isOfMoney(name)
      ? leftOut(
          `Its rows expire (${expiring.name}), but its name does not say that nobody wants them then`,
          'If nobody does, name that time: marker_column of add_retention_policy.',
        )
      : undefined;
  }
  if (times.length === 0) return undefined;
  const ofItself = `By its name its rows ${expiry ? 'expire' : 'only tell what happened'}, but`;
  if (isOfMoney(name))
    return leftOut(`${ofItself} what is of money or consent is often kept by law`);

  const expired = expiry && !has(lasting) ? expiry.name : undefined;
  const time = expired ?? (tells ? timeOfWriting(table) : undefined);
  if (!expired && !tells) {
    return leftOut(
      `${ofItself} what is of a machine or a person may be wanted again when it has expired`,
    );
  }
  if (!time) {
    return leftOut(
      `${ofItself} none of its times (${listed(times.map((column) => column.name))}) is one that each row surely has from its beginning`,
      'If one of them is, name it: marker_column of add_retention_policy.',
    );
  }
  const ofItsOwn = expired || has(surely) ? [] : columnsOfItsOwn(table);
  if (ofItsOwn.length > 0) {
    return leftOut(
      `${ofItself} a table with ${listed(ofItsOwn)} has more than that, or rows that change`,
    );
  }
  const worked = columns.find(
    (column) =>
      isTime(column) && !column.notNull && column.default === null && isWorked.test(column.name),
  );
  const marker = expired ?? worked?.name ?? time;
  const usual = has(keptLonger) ? '1 year' : '90 days';
  const dropAfter = expired ? '7 days' : usual;
  if (referredBy.length > 0) {
    return leftOut(
      `${ofItself} other rows refer to them: ${listed(referredBy)}`,
      `Say what becomes of those rows first (docs/retention.md#foreign-keys). Then: ${callOf('add_retention_policy', [relation, dropAfter], { marker_column: marker, enabled: false })}`,
    );
  }
  return { table, dropAfter, marker, flag: undefined, about: expired ? 'expired' : 'written' };
}

/** The first three of them. */
function listed(names: readonly string[]): string {
  const more = names.length - 3;
  return `${names.slice(0, 3).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function columnsOfItsOwn({ columns }: Table): string[] {
  return columns
    .filter(
      // Not "changed_by", which a history has of whoever made the change.
      (column) => (isTime(column) && isChanged.test(column.name)) || ofItsOwn.test(column.name),
    )
    .map((column) => column.name);
}
