import { serve } from '../_shared/edge.ts';
import { cancelRun, readRun } from '../_shared/runs-endpoints.ts';
import { pageElsewhere, statusDocument } from '../status/endpoint.ts';
import { createEndpoint } from './endpoint.ts';
import { job } from './job.ts';

serve(job, [createEndpoint(), statusDocument, pageElsewhere, readRun, cancelRun]);
