import { serve } from '../_shared/edge.ts';
import { job } from './job.ts';

serve(job);
