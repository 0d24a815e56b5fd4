import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { RefreshReport } from '../../functions/view-refresh/schema.ts';
import { emfLinesOf, valuesIn } from '../support/emf.ts';
import { schedulerInput, straightAlarm } from '../support/events.ts';
import { setUpHandler, shortOfTime } from '../support/handler.ts';
import { written } from '../support/record-output.ts';
import { closeGate, gate, refreshAtGate } from '../support/views.ts';
import { until } from '../support/waiting.ts';

const suite = setUpHandler({}, 'view-refresh');
const { call, coldStart, runOf, send } = suite;

/** app.top reads app.sums, which reads app.t; app.alone reads app.u. */
beforeEach(async () => {
  await suite.sql.unsafe(`
    create table app.t (id integer primary key, n integer not null);
    create table app.u (id integer primary key);
    insert into app.t select i, i % 5 from generate_series(1, 100) i;
    insert into app.u select i from generate_series(1, 10) i;
    create materialized view app.sums as select n, count(*) as rows from app.t group by n;
    create unique index on app.sums (n);
    create materialized view app.top as select max(rows) as most from app.sums;
    create unique index on app.top (most);
    create materialized view app.alone as select id from app.u;
    create unique index on app.alone (id);
    select nightshift.adopt_refresh_policies('app');
    select pg_stat_force_next_flush();
  `);
});

const reportOf = ({ report }: { report?: unknown }) => report as RefreshReport;
const stepsOf = (run: { report?: unknown }) =>
  reportOf(run).steps.map(({ view, status, reason }) => `${view} ${status} ${reason}`);

/** As if the last refresh had been that long ago. */
const age = (hours: number) => suite.sql`
  update nightshift.refresh_policies
  set data_as_of = data_as_of - make_interval(hours => ${hours}),
    last_refreshed_at = last_refreshed_at - make_interval(hours => ${hours})`;

/** A session counts what it wrote when it comes to rest, and this one at once. */
const change = (table: string) =>
  suite.sql.unsafe(`update ${table} set id = id; select pg_stat_force_next_flush()`);

describe('the function view-refresh', () => {
  it('answers over HTTP with what it did, and the second time that nothing changed', async () => {
    const first = await call();
    expect(first).toMatchObject({ statusCode: 200, body: { status: 'succeeded' } });
    expect(stepsOf(first.body)).toEqual([
      'app.alone refreshed never',
      'app.sums refreshed never',
      'app.top refreshed never',
    ]);
    const second = await call();
    expect(second.body).toMatchObject({
      report: { viewsRefreshed: 0, viewsUnchanged: 3, stale: [] },
    });
  });

  it.each([
    ['{"only": ["app.sums"]}', ['app.sums']],
    ['{"only": ["app.sums"], "descendants": true}', ['app.sums', 'app.top']],
    ['{"only": ["app.top"], "ancestors": true}', ['app.sums', 'app.top']],
  ])('refreshes what %s names', async (body, views) => {
    const { body: answer } = await call({ body });
    expect(reportOf(answer).steps.map(({ view }) => view)).toEqual(views);
  });

  it.each([
    ['{"parallelism": 0}', 422, 'parallelism'],
    ['{"parallelism": 9}', 422, 'parallelism'],
    ['{"descendant": true}', 422, 'descendant'],
    ['{"descendants": true}', 422, 'go with only'],
    ['{"only": ["app.none"]}', 404, 'app.sums'],
  ])('refuses %s with %i and what is wrong', async (body, statusCode, named) => {
    const answer = await call({ body });
    expect(answer.statusCode).toBe(statusCode);
    expect(JSON.stringify(answer.body)).toContain(named);
  });

  it('refuses a view by name that is switched off, and passes it over otherwise', async () => {
    await suite.sql`select nightshift.alter_refresh_policy('app.sums', enabled => false)`;
    const named = await call({ body: '{"only": ["app.sums"]}' });
    expect(named).toMatchObject({ statusCode: 422, body: { title: 'Switched off: app.sums' } });
    expect(reportOf((await call()).body)).toMatchObject({ disabled: ['app.sums'] });
  });

  it('refreshes what reads a view that this run has refreshed, however recently', async () => {
    await send({});
    await suite.sql`
      update nightshift.refresh_policies set last_refreshed_at = last_refreshed_at - interval '1 minute'
      where view_name = 'app.sums'`;
    await suite.sql.unsafe('insert into app.t values (101, 9); select pg_stat_force_next_flush()');
    expect(stepsOf(await send({}))).toEqual([
      'app.alone skipped unchanged',
      'app.sums refreshed changed',
      'app.top refreshed upstream',
    ]);
  });

  it('says in a dry run what it cannot do, and that is no failure', async () => {
    await suite.sql`drop index app.alone_id_idx`;
    const run = await send({ dryRun: true });
    expect(run.status).toBe('succeeded');
    expect(stepsOf(run)).toContain('app.alone failed never');
    expect(stepsOf(run)).toContain('app.top due never');
  });

  it('takes plain input, and an alarm, as a call by hand', async () => {
    await send({ only: ['app.alone'], parallelism: 1 });
    await age(1);
    await change('app.u');
    const run = await send(straightAlarm());
    expect(stepsOf(run)).toContain('app.alone refreshed changed');
  });

  it('on schedule leaves a change alone when the next run will be in time as well', async () => {
    const at = (day: string) => schedulerInput({ scheduledTime: `2026-01-${day}T02:30:00Z` });
    await send(at('01'));
    await suite.sql`
      update nightshift.runs set started_at = started_at - interval '24 hours', finished_at = now()`;
    await age(1);
    await change('app.u');
    expect(stepsOf(await send(at('02')))).toContain('app.alone skipped fresh');
    await suite.sql`
      update nightshift.runs set started_at = started_at - interval '24 hours', finished_at = now()`;
    await age(2);
    expect(stepsOf(await send(at('03')))).toContain('app.alone refreshed changed');
  });

  it('goes on over the bus with what did not fit, and refreshes nothing twice', async () => {
    // As if app.sums usually took longer than this invocation has.
    await suite.sql`
      insert into nightshift.view_refreshes (view, view_name, status, mode, reason, detail, started_at, duration_ms)
      values ('app.sums', 'app.sums', 'refreshed', 'concurrently', 'changed', 'app.t changed', now() - interval '1 day', 20000)`;
    const first = await send({}, shortOfTime());
    expect(first.status).toBe('continued');
    expect(stepsOf(first)).toEqual([
      'app.alone refreshed never',
      'app.sums waiting never',
      'app.top waiting never',
    ]);
    expect(suite.bus.delivered.map(({ detail }) => detail)).toEqual([
      { version: 1, runId: first.id, attempt: 1, job: 'view-refresh' },
    ]);

    const second = await send(suite.bus.delivered[0]);
    expect(second).toMatchObject({ id: first.id, status: 'succeeded' });
    expect(stepsOf(second).every((step) => step.includes(' refreshed '))).toBe(true);
    expect(
      await suite.sql`
      select view_name from nightshift.view_refreshes where run_id = ${first.id} order by 1`,
    ).toEqual([{ view_name: 'app.alone' }, { view_name: 'app.sums' }, { view_name: 'app.top' }]);
  });

  it('does not call itself for ever when the time is never enough', async () => {
    await suite.sql`
      insert into nightshift.view_refreshes (view, view_name, status, mode, reason, detail, started_at, duration_ms)
      select view, view_name, 'refreshed', 'concurrently', 'changed', 'app.t changed', now() - interval '1 day', 20000
      from nightshift.refresh_policies`;
    const first = await send({}, shortOfTime());
    expect(first.status).toBe('continued');
    await expect(send(suite.bus.delivered[0], shortOfTime())).rejects.toMatchObject({
      code: 'NS502',
      message: 'No view could be refreshed',
    });
    expect(await runOf(first.id)).toMatchObject({ status: 'failed', attempt: 2 });
    expect(suite.bus.continues).toHaveLength(1);
  });

  it('waits for its own call, when the answer was lost and the server is still at work', async () => {
    await suite.sql.unsafe(`
      ${gate}
      drop materialized view app.alone;
      create materialized view app.alone as select id, app.pass() from app.u;
      create unique index on app.alone (id)`);
    const open = await closeGate(suite.db);
    const { fetch } = globalThis;
    let calls = 0;
    vi.stubGlobal('fetch', async (...request: Parameters<typeof fetch>) => {
      const response = fetch(...request);
      if (!String(request[0]).endsWith('/rpc/refresh_view')) return response;
      if (++calls > 1) return response;
      response.catch(() => {});
      await until('the refresh is under way', () => refreshAtGate(suite.sql));
      throw new TypeError('fetch failed');
    });
    const running = send({ only: ['app.alone'] });
    await until('the view was found to be busy', async () => calls > 2);
    await open();
    const run = await running;
    expect(stepsOf(run)).toEqual(['app.alone refreshed never']);
    expect(await suite.sql`select from nightshift.view_refreshes`).toHaveLength(1);
  });

  it('refuses a setting that is no connection string, without telling it', async () => {
    await coldStart({ NIGHTSHIFT_DATABASE_URL: 'https://user:open-sesame@example.org' });
    await expect(send({})).rejects.toMatchObject({ code: 'NS422' });
    expect(written.join('\n')).not.toContain('open-sesame@');
  });

  it('counts what it did, and how old the oldest view is', async () => {
    await send({});
    await age(30);
    await change('app.u');
    const from = written.length;
    await send({});
    const values = emfLinesOf(written.slice(from)).map(valuesIn);
    expect(values).toEqual([
      {
        RunSucceeded: 1,
        ViewsRefreshed: 1,
        ViewsSkippedUnchanged: 2,
        ViewsStale: 0,
        ViewRefreshMs: expect.any(Number),
        ViewStalenessSeconds: expect.any(Number),
      },
    ]);
    expect(values[0]?.ViewStalenessSeconds).toBeLessThan(600);
  });

  it('counts none as stale when it looked at some, for it knows nothing of the rest', async () => {
    const from = written.length;
    await send({ only: ['app.alone'] });
    const [values] = emfLinesOf(written.slice(from)).map(valuesIn);
    expect(values).toMatchObject({ RunSucceeded: 1, ViewsRefreshed: 1 });
    expect(values).not.toHaveProperty('ViewsStale');
    expect(values).not.toHaveProperty('ViewStalenessSeconds');
  });

  it('counts views as stale that it could not refresh', async () => {
    await send({});
    await age(30);
    await suite.sql`drop index app.alone_id_idx`;
    await change('app.u');
    const from = written.length;
    const run = await send({});
    expect(run.status).toBe('partial');
    expect(reportOf(run).steps[0]?.error?.hint).toMatch(/create unique index on app\.alone/);
    const [values] = emfLinesOf(written.slice(from)).map(valuesIn);
    expect(values).toMatchObject({ RunPartial: 1, ViewsRefreshed: 0, ViewsStale: 1 });
    expect(values?.ViewStalenessSeconds).toBeGreaterThanOrEqual(30 * 3600);
  });
});
