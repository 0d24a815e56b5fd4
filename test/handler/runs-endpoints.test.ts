import { expect, it } from 'vitest';
import { setUpHandler } from '../support/handler.ts';

const suite = setUpHandler({}, 'health-check');
const { call } = suite;

async function begin(job: string, progress: object): Promise<string> {
  const [row] = await suite.sql<{ id: string }[]>`
    select nightshift.begin_run(${job}, 'schedule', requested_by => 'the night') #>> '{run,id}' as id`;
  await suite.sql`
    update nightshift.runs set progress = ${suite.sql.json(progress as never)} where id = ${row?.id ?? ''}`;
  return row?.id ?? '';
}

const read = (id: string) => call({ method: 'GET', path: `/runs/${id}` });
const cancel = (id: string) => call({ method: 'POST', path: `/runs/${id}/cancel` });

it('shows a run of any job, by its id or the beginning of it, with how far it is', async () => {
  const id = await begin('retention-purge', {
    scope: [16_384],
    backlogs: { 'app.orders': { dueRows: 120_000 } },
    steps: { 'app.orders': { rowsPurged: 45_000 } },
  });
  for (const name of [id, id.slice(0, 13)]) {
    const { statusCode, body } = await read(name);
    expect(statusCode).toBe(200);
    expect(body).toMatchObject({
      runId: id,
      job: 'retention-purge',
      status: 'running',
      requestedBy: 'the night',
      progress: '45,000 of about 120,000 due rows purged',
      cancelRequestedAt: null,
    });
    expect(body).not.toHaveProperty('fence');
  }
});

it('cancels a run: 202 while it still works, 200 once it has ended', async () => {
  const id = await begin('view-refresh', {});
  expect(await cancel(id)).toMatchObject({
    statusCode: 202,
    body: { runId: id, status: 'running', cancelRequestedBy: 'an HTTP call' },
  });
  await suite.sql`update nightshift.runs set status = 'interrupted', finished_at = now()`;
  expect(await cancel(id)).toMatchObject({ statusCode: 200, body: { status: 'interrupted' } });
});

it('says of a run that waited to be continued who cancelled it, when, and that its work is kept', async () => {
  const id = await begin('retention-purge', {});
  await suite.sql`select nightshift.finish_run(id, fence, 'continued') from nightshift.runs where id = ${id}`;
  expect(await cancel(id)).toMatchObject({ statusCode: 200, body: { status: 'interrupted' } });
  expect((await read(id)).body).toMatchObject({
    cancelRequestedAt: expect.any(String),
    error: {
      message: 'The run was cancelled by an HTTP call',
      detail: expect.stringMatching(/^At .* UTC\.$/),
      hint: expect.stringContaining('had committed stays'),
    },
  });
});

it('refuses who has no token, and a run that there is not, and changes nothing', async () => {
  const id = await begin('retention-purge', {});
  for (const [method, path] of [
    ['GET', `/runs/${id}`],
    ['POST', `/runs/${id}/cancel`],
    ['GET', '/jobs/health-check/runs'],
  ] as const) {
    for (const token of [undefined, 'wrong']) {
      expect(await call({ method, path, token })).toMatchObject({ statusCode: 401 });
    }
  }
  expect(await read('ffffffff')).toMatchObject({ statusCode: 404, body: { code: 'NS404' } });
  expect(await call({ method: 'GET', path: `/runs/${id}/cancel` })).toMatchObject({
    statusCode: 404,
  });
  expect(await suite.runOf(id)).toMatchObject({ status: 'running', cancel_requested_at: null });
});
