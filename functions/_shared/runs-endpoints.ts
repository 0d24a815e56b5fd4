import type { Endpoint } from './endpoint.ts';
import { json } from './http.ts';
import { type RunDocument, runDocument, runDocuments } from './ledger.ts';
import { progressInWords } from './progress.ts';

const budgetMs = 10_000;

/** `GET /jobs/<job>/runs`: the latest runs of a job, newest first, without their reports. */
export function listRuns(job: string): Endpoint {
  return {
    method: 'GET',
    path: `/jobs/${job}/runs`,
    budgetMs,
    async answer({ rpc }) {
      const runs = await rpc.call('list_runs', { job }, runDocuments);
      return respond(200, { runs: runs.map(({ report, ...run }) => outward(run)) });
    },
  };
}

/** `GET /runs/<id>`: one run, of any job, with how far it is. */
export const readRun: Endpoint = {
  method: 'GET',
  path: '/runs/{id}',
  budgetMs,
  async answer({ rpc, id }) {
    return respond(200, outward(await rpc.call('find_run', { id }, runDocument)));
  },
};

/** `POST /runs/<id>/cancel`: 202 when the run ends soon, 200 when it has ended. */
export const cancelRun: Endpoint = {
  method: 'POST',
  path: '/runs/{id}/cancel',
  budgetMs,
  async answer({ rpc, id }) {
    const found = await rpc.call('find_run', { id }, runDocument);
    const args = { run_id: found.id, requested_by: 'an HTTP call' };
    const run = await rpc.call('cancel_run', args, runDocument);
    return respond(run.status === 'running' ? 202 : 200, outward(run));
  },
};

/** What a caller can use: no fence, and the progress in words instead of what the job keeps there for itself. */
function outward<Run extends Partial<RunDocument> & Pick<RunDocument, 'progress'>>(run: Run) {
  const { id: runId, fence, progress, ...rest } = run;
  return { runId, ...rest, progress: progressInWords(progress) };
}

function respond(status: number, document: object) {
  const response = json(status, 'application/json', document);
  response.headers = { ...response.headers, 'cache-control': 'no-store' };
  return response;
}
