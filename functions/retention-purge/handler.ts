import { createHandler } from '../_shared/lambda.ts';
import { job } from './job.ts';

export const handler = createHandler(job);
