import { expect, it } from 'vitest';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import type { Rpc } from '../../functions/_shared/rpc.ts';
import { createTeller } from '../../functions/_shared/tell-troubles.ts';
import type { Message } from '../../functions/_shared/webhook-bodies.ts';

const hourMs = 3_600_000;
const gone = new NightshiftError('NS503', 'Nothing answers');

function teller() {
  const sent: string[] = [];
  const texts: (string | undefined)[] = [];
  let nowMs = 0;
  let called = 0;
  const webhook = {
    async send({ type, text }: Omit<Message, 'at'>) {
      sent.push(type);
      texts.push(text);
    },
  };
  const rpc: Rpc = {
    call: async () => {
      called += 1;
      return { began: [], ended: [] } as never;
    },
  };
  const tells = createTeller(webhook, 'https://abcd.supabase.co', { nowMs: () => nowMs });
  return {
    sent,
    texts,
    called: () => called,
    later(ms: number) {
      nowMs += ms;
    },
    fails: (error = gone) => tells.whenUnreachable(error, silentLog),
    runs: (remainingMs = 60_000) =>
      tells.afterRun({ rpc, log: silentLog, deadline: { remainingMs: () => remainingMs } }),
  };
}

it('tells of a database that is gone once, again after six hours, and when it is back', async () => {
  const { sent, later, fails, runs } = teller();
  await fails();
  later(5 * hourMs);
  await fails();
  expect(sent).toEqual(['nightshift.unreachable']);
  later(2 * hourMs);
  await fails();
  expect(sent).toHaveLength(2);
  await runs();
  await runs();
  expect(sent.slice(2)).toEqual(['nightshift.reachable']);
  await fails();
  expect(sent.slice(3)).toEqual(['nightshift.unreachable']);
});

it('says nothing of errors of who asked', async () => {
  const { sent, fails } = teller();
  await fails(new NightshiftError('NS422', 'The input is not valid'));
  expect(sent).toEqual([]);
});

it('says why no run can begin, without a secret in it, and nothing of what a defect says', async () => {
  for (const [error, told] of [
    [new NightshiftError('NS503', 'No postgres://me:s3cret@db'), 'No postgres://[redacted]@db.'],
    [new NightshiftError('NS500', 'row (s3cret)'), 'the log of the function has the reason.'],
  ] as const) {
    const { texts, fails } = teller();
    await fails(error);
    expect(texts).toEqual([`No run can begin (${error.code}): ${told}`]);
  }
});

it('leaves the news to the next run where there is no time for them', async () => {
  const { called, runs } = teller();
  await runs(9_000);
  expect(called()).toBe(0);
  await runs(11_000);
  expect(called()).toBe(1);
});
