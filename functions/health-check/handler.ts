import { createHandler } from '../_shared/lambda.ts';
import { cancelRun, readRun } from '../_shared/runs-endpoints.ts';
import { statusDocument } from '../status/endpoint.ts';
import { statusPages } from '../status/endpoints.ts';
import { createEndpoint } from './endpoint.ts';
import { job } from './job.ts';

export const handler = createHandler(job, {
  endpoints: [createEndpoint(), statusDocument, readRun, cancelRun, ...statusPages],
});
