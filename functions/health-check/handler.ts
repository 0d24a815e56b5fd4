import { createHandler } from '../_shared/lambda.ts';
import { createEndpoint } from './endpoint.ts';
import { job } from './job.ts';

export const handler = createHandler(job, { endpoint: createEndpoint() });
