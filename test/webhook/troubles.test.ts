import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { setUpHandler } from '../support/handler.ts';
import { startReceiver } from '../support/receiver.ts';
import { written } from '../support/record-output.ts';

const suite = setUpHandler();
const { coldStart, fill, onDelete, send } = suite;

let receiver: Awaited<ReturnType<typeof startReceiver>>;
beforeAll(async () => {
  receiver = await startReceiver();
});
afterAll(() => receiver.close());
beforeEach(async () => {
  receiver.reset();
  await suite.sql`truncate nightshift.runs, nightshift.troubles, nightshift.health_results, nightshift.health_findings`;
  await restart();
});

const restart = (environment: Record<string, string | undefined> = {}) =>
  coldStart({
    NIGHTSHIFT_EVENT_BUS: undefined,
    NIGHTSHIFT_WEBHOOK_URL: `${receiver.url}/slack`,
    NIGHTSHIFT_WEBHOOK_FORMAT: 'slack',
    ...environment,
  });

/** What people have read since the last time, without the first line and the last. */
function read(): string[] {
  return receiver.received.splice(0).flatMap(({ text }) =>
    text
      .split('\n')
      .slice(1)
      .filter((line) => !line.startsWith('What to do')),
  );
}

/** Breaks the table of the policy, so that the purge of it fails. */
const breakTable = () =>
  suite.sql.unsafe('alter table app.orders rename column deleted_at to gone_at');
const mendTable = () =>
  suite.sql.unsafe('alter table app.orders rename column gone_at to deleted_at');
/** One look of a health check: what it finds critical, and how it says so to the ledger. */
async function look(check: string, subjects: string[]) {
  const findings = subjects.map((subject) => ({ subject, level: 'critical' }));
  const document = [{ name: check, findings, findingsTotal: findings.length }];
  await suite.sql`select nightshift.record_health(${suite.sql.json(document)}, now())`;
}
async function minutesPass(minutes: number) {
  const ago = `${minutes} minutes`;
  await suite.sql`
    update nightshift.troubles
    set claimed_until = claimed_until - ${ago}::interval, gone_at = gone_at - ${ago}::interval`;
  await suite.sql`update nightshift.health_results set checked_at = checked_at - ${ago}::interval`;
}
interface Told {
  id: number;
  subject: string;
  endedAt: string | null;
}
async function take(): Promise<{ began: Told[]; ended: Told[] }> {
  const [row] = await suite.sql`select nightshift.take_troubles() as news`;
  return row?.news;
}
const noteTold = (told: Told[]) =>
  suite.sql`select nightshift.note_told(${told.map(({ id }) => id)})`;
const minutePasses = () =>
  suite.sql`update nightshift.troubles set claimed_until = claimed_until - interval '2 minutes'`;

const failed = /^- failed: retention-purge: The last run failed: /;

describe('a function with a webhook', () => {
  it('says nothing while all is well', async () => {
    await fill('app.orders');
    await send({});
    await send({});
    expect(receiver.asked()).toBe(0);
  });

  it('tells once that runs fail, and once that it is over', async () => {
    await fill('app.orders');
    await breakTable();
    await expect(send({})).rejects.toThrow();
    expect(read()).toEqual([expect.stringMatching(failed)]);
    await expect(send({})).rejects.toThrow();
    await expect(send({ dryRun: true })).rejects.toThrow();
    expect(read()).toEqual([]);
    await mendTable();
    await send({ dryRun: true });
    expect(read()).toEqual([]);
    await send({});
    expect(read()).toEqual(['- over: failed: retention-purge']);
    await send({});
    expect(receiver.asked()).toBe(2);
    // And once more, when it begins once more.
    await breakTable();
    await expect(send({})).rejects.toThrow();
    expect(read()).toEqual([expect.stringMatching(failed)]);
  });

  it('tells that rows are left, how many, and none of what is in them', async () => {
    await fill('app.orders', { due: 5, note: 's3cret-note' });
    await onDelete(
      'app.orders',
      `if old.id < 4 then raise exception using message = 'no: ' || old.note; end if`,
    );
    await send({});
    expect(read()).toEqual([
      '- work left: retention-purge: The last run left 3 rows that are due.',
    ]);
    await send({});
    expect(read()).toEqual([]);
    await suite.sql`drop trigger on_delete on app.orders`;
    await send({});
    expect(read()).toEqual(['- over: work left: retention-purge']);
    expect(JSON.stringify(await suite.sql`select * from nightshift.troubles`)).not.toContain(
      's3cret',
    );
  });

  it('tells of what is critical or missed, as health checks found it, and when it is over', async () => {
    await suite.sql`
      insert into nightshift.health_findings (check_name, subject, level, since, level_since) values
        ('read_only', 'database <!here>', 'critical', now(), now()),
        ('connections', 'all', 'warning', now(), now()),
        ('jobs_failing', 'view-refresh', 'critical', now(), now()),
        ('job_missed', 'view-refresh', 'warning', now(), now()),
        ('late_schedules', 'view-refresh', 'critical', now(), now())`;
    await fill('app.orders');
    await send({});
    expect(read()).toEqual([
      '- critical: database <!here>: Read-only database.',
      '- missed: view-refresh: It has not done its work for longer than it should be.',
    ]);
    // A check that could not look, at a table that is locked perhaps, does not know that it is over.
    await suite.sql`update nightshift.health_findings set level = 'unknown'`;
    await send({});
    expect(read()).toEqual([]);
    await suite.sql`truncate nightshift.health_findings`;
    await send({});
    expect(read()).toEqual([]);
    await minutesPass(15);
    await send({});
    expect(read()).toEqual(['- over: critical: database <!here>', '- over: missed: view-refresh']);
  });

  it.each(['breaks', 'cuts', 'redirects'] as const)(
    'does its work when the receiver %s, and tells with the next run',
    async (how) => {
      await fill('app.orders');
      await breakTable();
      receiver.behave(how);
      await expect(send({})).rejects.toMatchObject({ code: 'NS502' });
      expect(written.join('\n')).toContain('Nobody was told what is wrong');
      receiver.behave('takes');
      // It may still be on its way: for a minute it is not told again.
      await expect(send({})).rejects.toThrow();
      expect(read()).toEqual([]);
      await minutePasses();
      await expect(send({})).rejects.toThrow();
      expect(read()).toEqual([expect.stringMatching(failed)]);
    },
  );

  it('tells of a trouble that ended before it was told only its end, and nothing where nobody had tried', async () => {
    await fill('app.orders');
    await breakTable();
    receiver.behave('breaks');
    await expect(send({})).rejects.toThrow();
    receiver.behave('takes');
    await mendTable();
    await minutePasses();
    await send({});
    expect(read()).toEqual(['- over: failed: retention-purge']);

    await suite.sql`
      insert into nightshift.troubles (key, kind, subject, text) values ('failed x', 'failed', 'x', '')`;
    await send({});
    expect(read()).toEqual([]);
    expect(await suite.sql`select from nightshift.troubles where key = 'failed x'`).toEqual([]);
  });

  it('tells the same news once, when several functions look at once', async () => {
    await suite.sql`
      insert into nightshift.health_findings (check_name, subject, level, since, level_since)
      values ('read_only', 'database', 'critical', now(), now())`;
    const taken = (await Promise.all([take(), take(), take(), take()])).flatMap(
      ({ began }) => began,
    );
    expect(taken).toHaveLength(1);
    await noteTold(taken);
    await minutePasses();
    expect(await take()).toEqual({ began: [], ended: [] });
  });

  it('keeps the end of a trouble that ended while its beginning was on its way', async () => {
    await restart({ NIGHTSHIFT_WEBHOOK_URL: undefined, NIGHTSHIFT_WEBHOOK_FORMAT: undefined });
    await fill('app.orders');
    await breakTable();
    await expect(send({})).rejects.toThrow();
    const { began } = await take();
    await mendTable();
    await send({});
    expect(await take()).toEqual({ began: [], ended: [] });
    await noteTold(began);
    const { ended } = await take();
    expect(ended.map(({ id }) => id)).toEqual(began.map(({ id }) => id));
  });

  it('tells once of what comes and goes within minutes, and of its end when it has been gone for a quarter of an hour', async () => {
    await look('read_only', ['database']);
    const { began } = await take();
    expect(began).toHaveLength(1);
    await noteTold(began);
    for (let round = 0; round < 3; round += 1) {
      for (const found of [[], ['database']]) {
        await minutesPass(5);
        await look('read_only', found);
        expect(await take()).toEqual({ began: [], ended: [] });
      }
    }
    for (const minutes of [0, 5, 5]) {
      await minutesPass(minutes);
      await look('read_only', []);
      expect(await take()).toEqual({ began: [], ended: [] });
    }
    await minutesPass(5);
    await look('read_only', []);
    const { ended } = await take();
    expect(ended).toMatchObject([{ id: began[0]?.id, subject: 'database' }]);
    // Since when it has been gone, not since when that is certain.
    const [since] = await suite.sql`
      select ${ended[0]?.endedAt ?? null}::timestamptz <= now() - interval '15 minutes' as "isLongAgo"`;
    expect(since?.isLongAgo).toBe(true);
    await noteTold(ended);
    await look('read_only', ['database']);
    expect((await take()).began).toMatchObject([{ subject: 'database' }]);
  });

  it('waits for the next look of a check that looks at night, whatever else runs meanwhile', async () => {
    await look('foreign_keys_without_index', ['app.orders']);
    await noteTold((await take()).began);
    for (const found of [[], ['app.orders'], []]) {
      await minutesPass(24 * 60);
      await look('foreign_keys_without_index', found);
      expect(await take()).toEqual({ began: [], ended: [] });
      await minutesPass(60);
      // Another check is no look of this one.
      await look('read_only', []);
      expect(await take()).toEqual({ began: [], ended: [] });
    }
    await minutesPass(23 * 60);
    await look('foreign_keys_without_index', []);
    expect((await take()).ended).toMatchObject([{ subject: 'app.orders' }]);
  });

  it('holds the end of a missed job until both checks of it have looked again', async () => {
    await look('job_missed', ['view-refresh']);
    await look('late_schedules', ['view-refresh']);
    await noteTold((await take()).began);
    await look('job_missed', []);
    expect(await take()).toEqual({ began: [], ended: [] });
    await look('late_schedules', []);
    expect(await take()).toEqual({ began: [], ended: [] });
    await minutesPass(15);
    await look('job_missed', []);
    expect(await take()).toEqual({ began: [], ended: [] });
    await look('late_schedules', []);
    expect((await take()).ended).toMatchObject([{ subject: 'view-refresh' }]);
  });

  it('says neither that it began nor that it ended while it is gone and may come back', async () => {
    await look('read_only', ['database']);
    const { began } = await take();
    // The message may have come or not; its answer was lost.
    await minutesPass(5);
    await look('read_only', []);
    expect(await take()).toEqual({ began: [], ended: [] });
    await minutesPass(5);
    await look('read_only', ['database']);
    expect((await take()).began).toMatchObject([{ id: began[0]?.id }]);
    await minutesPass(5);
    await look('read_only', []);
    await take();
    await minutesPass(15);
    await look('read_only', []);
    expect(await take()).toMatchObject({ began: [], ended: [{ id: began[0]?.id }] });
  });

  it('does not wait for a check that no longer exists', async () => {
    await look('read_only', ['database']);
    await noteTold((await take()).began);
    await suite.sql`truncate nightshift.health_findings, nightshift.health_results`;
    expect(await take()).toEqual({ began: [], ended: [] });
    await minutesPass(15);
    expect((await take()).ended).toHaveLength(1);
  });

  it('tells straight out, and once, that the project cannot be reached, and that it can again', async () => {
    await fill('app.orders');
    const there = suite.gateway.url;
    await restart({ SUPABASE_URL: 'http://127.0.0.1:9' });
    await expect(send({})).rejects.toMatchObject({ code: 'NS503' });
    await expect(send({})).rejects.toMatchObject({ code: 'NS503' });
    expect(receiver.received.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^Nightshift of 127\.0\.0\.1:9: No run can begin \(NS503\): /),
    ]);
    expect(there).toBe(suite.gateway.url);
  });

  it('tells nobody of a request that is wrong', async () => {
    await expect(send({ no: 'event' })).rejects.toMatchObject({ code: 'NS400' });
    const wrong = { scheduleArn: 'x', scheduledTime: '2026-01-01T02:00:00Z', input: { no: 1 } };
    await expect(send(wrong)).rejects.toMatchObject({ code: 'NS422' });
    expect(receiver.asked()).toBe(0);
  });

  it('is not begun with a webhook that is wrong, and says what is', async () => {
    await restart({ NIGHTSHIFT_WEBHOOK_URL: 'http://example.com/T0/B0' });
    await expect(send({})).rejects.toMatchObject({
      code: 'NS422',
      hint: expect.stringContaining('NIGHTSHIFT_WEBHOOK_URL'),
    });
    expect(await suite.runs()).toEqual([]);
  });
});
