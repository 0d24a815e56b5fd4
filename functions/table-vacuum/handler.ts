import { connectDirect } from '../_shared/direct.ts';
import { createHandler } from '../_shared/lambda.ts';
import { job } from './job.ts';

export const handler = createHandler(job, { connectDirect });
