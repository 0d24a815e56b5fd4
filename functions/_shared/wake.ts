import * as z from 'zod';
import type { Endpoint } from './endpoint.ts';
import { NightshiftError } from './errors.ts';
import type { Invocation } from './invocation.ts';
import type { Job } from './job.ts';
import { parseJson } from './parse-json.ts';
import { parseInput } from './run.ts';

const budgetMs = 10_000;

const wakeBody = z.object({ nonce: z.uuid() });

/** The answer of consume_wake; null when there is nothing to do, such as while a run is under way. */
const wakeAnswer = z.object({
  work: z
    .union([
      z.object({ resume: z.object({ runId: z.string(), attempt: z.number() }) }),
      z.object({ key: z.string(), requestedBy: z.string(), input: z.unknown() }),
    ])
    .nullable(),
});

/**
 * `POST /jobs/<job>/wakes`: a schedule of the database wakes the function. It is open to everybody, since the wake opens
 * nothing: the database of the function says whether it has sent it, and what is to be done. Answers 202 at once, and
 * hands the work to `begin`.
 */
export function takeWake<Input extends { dryRun: boolean }, Report>(
  job: Job<Input, Report>,
  begin: (invocation: Invocation) => void,
): Endpoint {
  return {
    method: 'POST',
    path: `/jobs/${job.name}/wakes`,
    isOpen: true,
    budgetMs,
    async answer({ rpc, projectUrl, body }) {
      const given = wakeBody.safeParse(parseJson(new TextDecoder().decode(body)));
      if (!given.success) {
        throw new NightshiftError('NS400', 'The body is not that of a wake', {
          hint: `Schedules send wakes. To start a run yourself: POST /jobs/${job.name}/runs.`,
        });
      }
      const { origin } = new URL(projectUrl);
      const args = { nonce: given.data.nonce, job: job.name, project_url: origin };
      // Asked again, the database would not know the nonce any more; the schedule wakes again by itself.
      const { work } = await rpc.call('consume_wake', args, wakeAnswer, { retry: () => false });
      if (work) begin(invocationOf(job, work));
      return { statusCode: 202, headers: {}, body: '' };
    },
  };
}

function invocationOf<Input extends { dryRun: boolean }, Report>(
  job: Job<Input, Report>,
  work: NonNullable<z.output<typeof wakeAnswer>['work']>,
): Invocation {
  if ('resume' in work) return { trigger: 'schedule', input: {}, resume: work.resume };
  // Whoever looks at the answers to the wakes learns of an input that is not valid.
  parseInput(job, work.input);
  const { key, requestedBy, input } = work;
  return { trigger: 'schedule', idempotencyKey: key, requestedBy, input };
}
