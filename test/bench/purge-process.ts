import { text } from 'node:stream/consumers';
import * as z from 'zod';
import { deadlineIn, systemClock } from '../../functions/_shared/clock.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { createRpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import { job } from '../../functions/retention-purge/job.ts';

/**
 * Runs the purge in a process of its own, as a function that is warm would: once it has loaded and made a first call, and
 * its input has ended. Prints what it took. What a cold one takes longer, `bench -- cold-start` measures.
 */
const { SUPABASE_URL: url = '', SUPABASE_SECRET_KEY: secretKey = '', PACE: pace } = process.env;
const deadline = deadlineIn(systemClock, 600_000);
const rpc = createRpc({ url, secretKey }, deadline);
const batchMs: number[] = [];

await rpc.call('list_runs', {}, z.unknown());
console.log();
await text(process.stdin);
const startedMs = performance.now();
const { run } = await runJob(
  job,
  { trigger: 'cli', requestedBy: 'bench', input: { force: ['public.bench'], pace } },
  {
    rpc,
    clock: systemClock,
    deadline,
    log: silentLog,
    metrics: {
      add: (name, value) => {
        if (name === 'BatchDurationMs') batchMs.push(value);
      },
      addFor() {},
      describe() {},
      flush() {},
    },
  },
);
console.log(
  JSON.stringify({
    elapsedMs: performance.now() - startedMs,
    batchMs,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    status: run.status,
    report: run.report,
  }),
);
