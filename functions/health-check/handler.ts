import { createHandler } from '../_shared/lambda.ts';
import { job } from './job.ts';
import { reading } from './reading.ts';

export const handler = createHandler(job, { reading });
