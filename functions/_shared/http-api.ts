import { readRunnerToken } from './access.ts';
import { type Deadline, deadlineIn, systemClock } from './clock.ts';
import type { Endpoint } from './endpoint.ts';
import { NightshiftError, toNightshiftError } from './errors.ts';
import { isForm } from './form.ts';
import {
  asksFor,
  type HttpRequest,
  type HttpResponse,
  isTrusted,
  parseHttpRequest,
  requireReader,
  requireTrust,
  respondToError,
  respondToRun,
} from './http.ts';
import type { Invocation } from './invocation.ts';
import type { Job } from './job.ts';
import type { Log } from './log.ts';
import { respondWithProblem, seeOther } from './message-page.ts';
import { createRpc } from './rpc.ts';
import type { RunResult } from './run-types.ts';
import { listRuns } from './runs-endpoints.ts';
import type { Settings } from './settings.ts';
import { invocationOfForm } from './steering.ts';

interface Budget {
  /** Until the answer must be out. */
  remainingMs: number;
  /** Of that for the work of a run; NIGHTSHIFT_HTTP_BUDGET_MS may say less. */
  workMs: number;
}

/** Answers the HTTP requests of a function, whichever home it runs in: starts its job, and serves its endpoints. */
export function createHttpApi<Input extends { dryRun: boolean }, Report>(
  job: Job<Input, Report>,
  {
    endpoints,
    settings,
    log,
    run,
  }: {
    endpoints: readonly Endpoint[];
    settings: () => Pick<
      Settings,
      'supabase' | 'httpToken' | 'statusToken' | 'schedules' | 'httpBudgetMs'
    >;
    log: Log;
    run: (invocation: Invocation, deadline: Deadline, recordBy: Deadline) => Promise<RunResult>;
  },
) {
  const allEndpoints = [...endpoints, listRuns(job.name)];

  /** An HTTP caller learns nothing about the configuration. The log says which setting to fix. */
  function settingsForHttp() {
    try {
      return settings();
    } catch (thrown) {
      log.error('The environment is not valid', { error: toNightshiftError(thrown).describe() });
      throw new NightshiftError('NS500', 'The function is not configured', {
        hint: 'Its log says which settings to mend.',
        cause: thrown,
      });
    }
  }

  async function answerOfEndpoint(
    request: HttpRequest,
    remainingMs: number,
  ): Promise<HttpResponse | undefined> {
    const { httpToken, statusToken, schedules, supabase } = settingsForHttp();
    const tokens = { httpToken, statusToken };
    for (const endpoint of allEndpoints) {
      const asked = asksFor(request, endpoint.method, endpoint.path);
      if (!asked) continue;
      if (endpoint.isForReaders) requireReader(request, tokens);
      else if (!endpoint.isOpen && !endpoint.looksWhoItIs) requireTrust(request, httpToken);
      const deadline = deadlineIn(systemClock, Math.min(remainingMs, endpoint.budgetMs));
      return endpoint.answer({
        rpc: createRpc(supabase, deadline),
        clock: systemClock,
        log,
        projectUrl: supabase.url,
        schedules,
        body: request.body,
        request,
        tokens,
        trusted: !endpoint.isForReaders && !endpoint.looksWhoItIs && isTrusted(request, httpToken),
        accessExpiresAtMs:
          'runnerToken' in supabase
            ? readRunnerToken(supabase.runnerToken)?.expiresAtMs
            : undefined,
        ...asked,
      });
    }
    return undefined;
  }

  /** The same run as for a program, asked for by a form of the status page: the browser is sent to the page of the run. */
  async function answerToForm(
    request: HttpRequest,
    { remainingMs, workMs }: Budget,
  ): Promise<HttpResponse> {
    try {
      const { httpToken, statusToken, supabase, httpBudgetMs } = settingsForHttp();
      const recordBy = deadlineIn(systemClock, remainingMs);
      const deadline = deadlineIn(systemClock, Math.min(workMs, httpBudgetMs));
      const invocation = await invocationOfForm(request, job.name, {
        tokens: { httpToken, statusToken },
        rpc: createRpc(supabase, deadline),
        clock: systemClock,
      });
      const { run: begun } = await run(invocation, deadline, recordBy);
      return seeOther(request, `status/runs/${begun.id}`);
    } catch (thrown) {
      const error = toNightshiftError(thrown);
      log.warn('Form of the status page refused', { error: error.describe() });
      return respondWithProblem(error, request);
    }
  }

  return async (request: HttpRequest, { remainingMs, workMs }: Budget): Promise<HttpResponse> => {
    // A program has the token; curl sends its JSON under the type of a form, too.
    const isBrowser = request.headers.authorization === undefined && isForm(request);
    if (isBrowser && asksFor(request, 'POST', `/jobs/${job.name}/runs`)) {
      return answerToForm(request, { remainingMs, workMs });
    }
    try {
      const recordBy = deadlineIn(systemClock, remainingMs);
      const answered = await answerOfEndpoint(request, remainingMs);
      if (answered) return answered;
      const { httpToken, httpBudgetMs } = settingsForHttp();
      const invocation = parseHttpRequest(request, job, httpToken);
      const deadline = deadlineIn(systemClock, Math.min(workMs, httpBudgetMs));
      return respondToRun(await run(invocation, deadline, recordBy));
    } catch (thrown) {
      const error = toNightshiftError(thrown);
      log.warn('HTTP call refused', { error: error.describe() });
      return respondToError(error);
    }
  };
}
