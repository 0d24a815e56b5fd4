import { beforeEach, describe, expect, it } from 'vitest';
import { isoTime, systemClock } from '../../functions/_shared/clock.ts';
import type { StatusPolicy } from '../../functions/status/schema.ts';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { lookAgain, purged } from '../support/status.ts';

const db = setUpDatabase();
const table = `app."o'rders <b>"`;

beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql`truncate nightshift.runs, nightshift.health_results, nightshift.health_findings, nightshift.status`;
  await declare(table);
});

async function declare(name: string) {
  await db.sql.unsafe(`
    create table ${name} (id integer primary key, deleted_at timestamptz);
    create index on ${name} (deleted_at);`);
  await db.sql`select nightshift.add_retention_policy(${name}, '30 days')`;
  await db.sql`update nightshift.retention_policies set created_at = now() - interval '40 days'`;
}

async function verdict(): Promise<StatusPolicy> {
  const { retention } = await lookAgain(db.sql);
  expect(retention).toMatchObject({ total: 1, problem: null });
  const [item] = retention.items;
  if (!item) throw new Error('The policy is not there.');
  expect(item.table).toBe(table);
  expect(retention.counts).toEqual({ [item.verdict]: 1 });
  return item;
}

describe('the verdict of a retention policy', () => {
  it('is kept when a purge left nothing, which it counted', async () => {
    await purged(db.sql, 1, { [table]: { purged: 5, left: 3 } });
    await purged(db.sql, 0, { [table]: { purged: 3, left: 0 } });
    expect(await verdict()).toMatchObject({
      verdict: 'kept',
      sentence: 'Kept: nothing is left that is due.',
      since: null,
      residue: 0,
      estimated: false,
      purgedLast: 3,
      nightsLeft: null,
    });
  });

  it('is kept when all that is left may stay, as the policy says', async () => {
    await purged(db.sql, 0, {
      [table]: { left: 2, totals: { rowsKept: 2, keptBy: { 'app.lines(order_id)': 2 } } },
    });
    expect(await verdict()).toMatchObject({
      verdict: 'kept',
      sentence: 'Kept: nothing is left that is due. 2 rows stay, as the policy says.',
      held: [{ why: 'kept', by: 'app.lines(order_id)', rows: 2 }],
    });
  });

  it('is not known, and the residue null, when a purge could not count what it left', async () => {
    await purged(db.sql, 1, { [table]: { purged: 3, left: null } });
    expect(await verdict()).toMatchObject({ verdict: 'unknown', residue: null, estimated: false });
    await purged(db.sql, 0, { [table]: { purged: 3, left: 0, exact: false } });
    expect(await verdict()).toMatchObject({ verdict: 'unknown', residue: null });
  });

  it('is behind, with the nights that it takes, when each night leaves less', async () => {
    for (const [nightsAgo, left] of [
      [3, 4_000],
      [2, 3_100],
      [1, 1_900],
      [0, 1_000],
    ] as const) {
      await purged(db.sql, nightsAgo, {
        [table]: { purged: 5_000, left, outOfTime: true, overdueSeconds: 86_400 * 7 },
      });
    }
    const found = await verdict();
    expect(found).toMatchObject({
      verdict: 'behind',
      sentence: 'Behind by 1,000 rows, done in about a night.',
      residue: 1_000,
      rowsPerNight: 1_000,
      nightsLeft: 1,
      backlog: [{ rows: 4_000 }, { rows: 3_100 }, { rows: 1_900 }, { rows: 1_000 }],
    });
    expect(found.since?.slice(0, 10)).toBe(daysAgo(3));
    expect(found.oldestDueAt?.slice(0, 10)).toBe(daysAgo(7));
  });

  it('says that it falls further behind when each night leaves more', async () => {
    await purged(db.sql, 1, { [table]: { purged: 10, left: 1_000, exact: false } });
    await purged(db.sql, 0, { [table]: { purged: 10, left: 3_000, exact: false } });
    expect(await verdict()).toMatchObject({
      verdict: 'behind',
      sentence: 'Behind by about 3,000 rows, and by 2,000 rows more each night.',
      rowsPerNight: -2_000,
      nightsLeft: null,
      estimated: true,
    });
  });

  it('is behind, and not stalled, when time ran out once before the table had its turn', async () => {
    await purged(db.sql, 1, { [table]: { purged: 10, left: 20 } });
    await purged(db.sql, 0, { [table]: { left: 30, outOfTime: true } });
    expect(await verdict()).toMatchObject({
      verdict: 'behind',
      sentence: expect.stringContaining('The last run took none: time ran out'),
    });
  });

  it('is stalled since the first of the runs that took nothing of what they could have taken', async () => {
    await purged(db.sql, 3, { [table]: { purged: 10, left: 20 } });
    await purged(db.sql, 2, { [table]: { left: 30 } });
    await purged(db.sql, 1, { [table]: { left: 40 } });
    await purged(db.sql, 0, { [table]: { left: 50 } });
    const found = await verdict();
    expect(found).toMatchObject({
      verdict: 'stalled',
      sentence: expect.stringMatching(
        /^Stalled\. No run takes any: 50 locked or changed by other sessions meanwhile\. 50 rows are due\.$/,
      ),
    });
    expect(found.since?.slice(0, 10)).toBe(daysAgo(2));
  });

  it('is stalled at once when a purge failed, with the reason and the fix', async () => {
    await purged(db.sql, 1, { [table]: { purged: 10, left: 0 } });
    await purged(db.sql, 0, { [table]: { left: null, error: 'It would remove 70 percent' } });
    expect(await verdict()).toMatchObject({
      verdict: 'stalled',
      sentence: 'Stalled. It would remove 70 percent. What is due has not been counted.',
      fix: 'select 1;',
      residue: null,
    });
  });

  it('is held when all that is left is needed, and says by what', async () => {
    const totals = { rowsBlocked: 7, blockedBy: { 'app.lines(order_id)': 7 } };
    await purged(db.sql, 0, { [table]: { purged: 1, left: 7, totals } });
    expect(await verdict()).toMatchObject({
      verdict: 'held',
      sentence: '7 rows are past their time and stay: 7 still needed by rows that stay.',
      residue: 7,
      held: [{ why: 'needed', by: 'app.lines(order_id)', rows: 7 }],
    });
  });

  it('is stalled when no purge has come for two nights, or ever', async () => {
    expect(await verdict()).toMatchObject({
      verdict: 'stalled',
      sentence: expect.stringContaining(
        'No purge has reported on it since its policy was declared',
      ),
      residue: null,
    });
    await purged(db.sql, 5, { [table]: { purged: 1, left: 0 } });
    expect(await verdict()).toMatchObject({
      verdict: 'stalled',
      sentence: expect.stringContaining('No purge has been here since'),
    });
  });

  it('is not known before the first night', async () => {
    await db.sql`update nightshift.retention_policies set created_at = now()`;
    expect(await verdict()).toMatchObject({ verdict: 'unknown', residue: null });
  });

  it('is not known of a policy that was declared since the last purge, whatever that left of another', async () => {
    await purged(db.sql, 0, { [table]: { purged: 3, left: 0 } });
    await db.sql`select nightshift.remove_retention_policy(${table})`;
    await db.sql`select nightshift.add_retention_policy(${table}, '7 days')`;
    expect(await verdict()).toMatchObject({
      verdict: 'unknown',
      since: expect.any(String),
      backlog: [],
    });
  });

  it('is not known once the policy keeps less than at the last purge', async () => {
    await purged(db.sql, 0, { [table]: { purged: 3, left: 0 } });
    await db.sql`select nightshift.alter_retention_policy(${table}, drop_after => '60 days')`;
    expect(await verdict()).toMatchObject({ verdict: 'kept' });
    await db.sql`select nightshift.alter_retention_policy(${table}, drop_after => '29 days')`;
    expect(await verdict()).toMatchObject({
      verdict: 'unknown',
      sentence: 'Not known: Its policy keeps less than it did at the last purge.',
      since: null,
    });
    await purged(db.sql, 0, { [table]: { left: 3 } });
    expect(await verdict()).toMatchObject({ verdict: 'behind' });
  });

  it('is not known once the policy chooses rows by another column than at the last purge', async () => {
    await db.sql.unsafe(
      `alter table ${table} add gone boolean not null default false, add left_at timestamptz; create index on ${table} (left_at)`,
    );
    const other = {
      verdict: 'unknown',
      sentence: 'Not known: Its policy chooses other rows than it did at the last purge.',
      since: null,
    };
    await purged(db.sql, 0, { [table]: { purged: 3, left: 0 } });
    expect(await verdict()).toMatchObject({ verdict: 'kept' });
    await db.sql`select nightshift.alter_retention_policy(${table}, flag_column => 'gone')`;
    expect(await verdict()).toMatchObject(other);
    await purged(db.sql, 0, { [table]: { purged: 3, left: 0, flagColumn: 'gone' } });
    expect(await verdict()).toMatchObject({ verdict: 'kept' });
    await db.sql`select nightshift.alter_retention_policy(${table}, marker_column => 'left_at')`;
    expect(await verdict()).toMatchObject(other);
    // Of the reports of an earlier release nobody knows that.
    await db.sql`
      update nightshift.runs set report = report #- '{steps,0,markerColumn}' #- '{steps,0,flagColumn}'`;
    expect(await verdict()).toMatchObject({ verdict: 'kept' });
  });

  it('is off where the policy is, whatever its runs said', async () => {
    await purged(db.sql, 0, { [table]: { left: 7 } });
    await db.sql`select nightshift.alter_retention_policy(${table}, enabled => false)`;
    expect(await verdict()).toMatchObject({ verdict: 'off', since: null });
  });

  it('is stalled when the policy does not fit its table any more', async () => {
    await purged(db.sql, 0, { [table]: { purged: 3, left: 0 } });
    await db.sql.unsafe(`alter table ${table} rename column deleted_at to gone_at`);
    expect(await verdict()).toMatchObject({
      verdict: 'stalled',
      sentence: expect.stringContaining('does not fit the table any more'),
    });
    await db.sql.unsafe(`drop table ${table}`);
    expect(await verdict()).toMatchObject({
      verdict: 'stalled',
      sentence: expect.stringContaining('Its table is gone.'),
    });
  });

  it('goes by the runs of all tables for its trend, and by one of a few for the present', async () => {
    await purged(db.sql, 1, { [table]: { purged: 10, left: 20 } });
    await purged(db.sql, 0, { [table]: { purged: 10, left: 0 } });
    await db.sql`
      update nightshift.runs set input = '{"only": ["app.others"]}' where started_at > now() - interval '1 day'`;
    expect(await verdict()).toMatchObject({
      verdict: 'kept',
      backlog: [{ day: daysAgo(1), rows: 20 }],
    });
  });
});

/** The day of a purge some nights ago. */
function daysAgo(days: number): string {
  return isoTime(systemClock.nowMs() - days * 86_400_000 - 120_000).slice(0, 10);
}
