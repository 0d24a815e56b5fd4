import { expect, it } from 'vitest';
import { systemClock } from '../../functions/_shared/clock.ts';
import { NightshiftError, timedOut } from '../../functions/_shared/errors.ts';
import type { RunDocument } from '../../functions/_shared/ledger.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import type { Rpc } from '../../functions/_shared/rpc.ts';
import { Stop } from '../../functions/_shared/stop.ts';
import { jobNames, loadJob } from '../../functions/registry.ts';
import { endless } from '../support/deadline.ts';

it.each(jobNames)('%s does not look again when its first look took too long', async (name) => {
  const calls: string[] = [];
  const timeout = new NightshiftError(timedOut, 'too long', { retryable: true });
  const call: Rpc['call'] = async (called, _args, _answer, options) => {
    calls.push(called);
    if (options?.retry?.(timeout, 1) ?? true) calls.push(`${called}, again`);
    throw timeout;
  };
  const job = await loadJob(name);
  const run = job.run(
    {
      rpc: { call },
      run: { id: crypto.randomUUID(), fence: 1, progress: {}, dryRun: false } as RunDocument,
      clock: systemClock,
      deadline: endless(60_000),
      log: silentLog,
      metrics: noMetrics,
      stop: new Stop(),
      onProgress: () => {},
    },
    job.input.parse({}),
  );
  await run.catch(() => {});
  expect(calls.length).toBeGreaterThan(0);
  expect(calls.filter((called) => called.includes('again'))).toEqual([]);
});
