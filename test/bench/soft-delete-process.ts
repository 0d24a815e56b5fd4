import { createClient } from '@supabase/supabase-js';
import { softDelete } from '../../client/index.ts';

/** Deletes rows in a process of its own, as an application would, and prints the memory that it took. */
const { SUPABASE_URL: url = '', SUPABASE_SECRET_KEY: secretKey = '', KEYS } = process.env;
const client = createClient(url, secretKey, { auth: { persistSession: false } });

async function* keys(): AsyncGenerator<number> {
  for (let key = 1; key <= Number(KEYS); key++) yield key;
}

/** After what is of no use any more was collected, every tenth batch. */
let heapBytes = 0;
let batches = 0;
const { deleted } = await softDelete(client, 'public.many', keys(), {
  onProgress: () => {
    if (batches++ % 10 > 0) return;
    globalThis.gc?.();
    heapBytes = Math.max(heapBytes, process.memoryUsage().heapUsed);
  },
});
console.log(
  JSON.stringify({ deleted, heapBytes, peakBytes: process.resourceUsage().maxRSS * 1024 }),
);
