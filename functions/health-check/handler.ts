import { createHandler } from '../_shared/lambda.ts';
import { endpoint } from './endpoint.ts';
import { job } from './job.ts';

export const handler = createHandler(job, { endpoint });
