import { expect, it } from 'vitest';
import { createEdgeHandler } from '../../functions/_shared/edge.ts';
import { job } from '../../functions/health-check/job.ts';
import { pageElsewhere } from '../../functions/status/endpoint.ts';

it('is no page on Edge, where it would be shown as plain text, but says where it is', async () => {
  const handler = createEdgeHandler(job, {
    endpoints: [pageElsewhere],
    environment: {
      SUPABASE_URL: 'https://abcdefghijkl.supabase.co',
      SUPABASE_SERVICE_ROLE_KEY: 'sb_secret_0123456789abcdef',
    },
  });
  const answer = await handler(new Request('http://edge/nightshift-health-check/status'));
  expect(answer.status).toBe(404);
  expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(await answer.text()).toContain('nightshift status --open');
});
