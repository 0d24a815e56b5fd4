import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { HealthReport } from '../../functions/health-check/schema.ts';
import { jobNames } from '../../functions/registry.ts';
import { startGateway } from '../../infra/local/gateway.ts';
import { readPage, rowsOf, sectionOf } from '../support/documents.ts';
import { emfLinesOf, valuesIn } from '../support/emf.ts';
import { schedulerInput } from '../support/events.ts';
import { setUpHandler } from '../support/handler.ts';
import { run } from '../support/nights.ts';
import { written } from '../support/record-output.ts';

const suite = setUpHandler({}, 'health-check');
const { call, coldStart, runOf, send } = suite;

// It is of the whole server, and other tests make it lag.
beforeAll(() => suite.sql`select nightshift.set_health_threshold('replication_lag')`);

const invented: string[] = [];

/** A check of this test's own; `measures` is SQL that returns them. */
async function invent(name: string, measures: string, quick = true) {
  invented.push(name);
  await suite.sql.unsafe(`
    create function nightshift.health_${name}(as_of timestamptz) returns setof nightshift.health_measure
    language plpgsql set search_path = pg_catalog, pg_temp as $$ begin return query ${measures}; end $$;
    revoke all on function nightshift.health_${name} from public;
    insert into nightshift.health_checks (name, title, healthy, why, unit, warning, critical, quick)
    values ('${name}', 'Invented', 'It is well.', 'It matters to a test.', 'count', 10, 20, ${quick});
  `);
}

const measure = (subject: string, value: number) =>
  `select '${subject}', ${value}::numeric, 'so many', 'select 1;', null::numeric, null::numeric, null::numeric, null::text`;

/** Whatever ends a statement early, after as long as the test can wait. */
const never = `${measure('a', 1)} from pg_sleep(30)`;

afterEach(async () => {
  for (const name of invented.splice(0)) {
    await suite.sql.unsafe(`
      delete from nightshift.health_checks where name = '${name}';
      drop function nightshift.health_${name}`);
  }
  await suite.sql.unsafe(`
    truncate nightshift.runs, nightshift.trend_points;
    alter function nightshift.check_health set statement_timeout = '8s';
  `);
});

/** What was counted while `act` ran, by job. */
async function counted(act: () => Promise<unknown>): Promise<Record<string, object>> {
  const from = written.length;
  await act();
  return Object.fromEntries(
    emfLinesOf(written.slice(from)).map((line) => [String(line.service), valuesIn(line)]),
  );
}

const health = (options: { token?: string | undefined } = {}) =>
  call({ method: 'GET', path: '/health', ...options });
const stranger = { token: undefined };

describe('GET /health', () => {
  it('tells the whole to those who have the token, in one round trip', async () => {
    const fetched = vi.spyOn(globalThis, 'fetch');
    const { statusCode, headers, body } = await health();
    expect(fetched).toHaveBeenCalledTimes(1);
    fetched.mockRestore();
    expect(statusCode).toBe(200);
    expect(headers).toMatchObject({ 'cache-control': 'no-store' });
    expect(body).toMatchObject({
      status: 'ok',
      database: { reachable: true, roundTripMs: expect.any(Number) },
      checks: expect.arrayContaining([expect.objectContaining({ name: 'connections' })]),
    });
    expect((body.checks as { quick: boolean }[]).every(({ quick }) => quick)).toBe(true);
  });

  it('tells one word to everyone else, and asks the database for it once in five seconds', async () => {
    const fetched = vi.spyOn(globalThis, 'fetch');
    expect(await health(stranger)).toMatchObject({ statusCode: 200, body: { status: 'ok' } });
    const again = await health(stranger);
    expect(Object.keys(again.body)).toEqual(['status']);
    expect(fetched).toHaveBeenCalledTimes(1);
    fetched.mockRestore();
  });

  it('refuses a wrong token', async () => {
    expect(await health({ token: 'wrong' })).toMatchObject({ statusCode: 401 });
  });

  it.each([
    ['warning', 10, 200],
    ['critical', 20, 503],
  ])('says %s', async (status, value, statusCode) => {
    await invent('invented', measure('a', value));
    expect(await health()).toMatchObject({
      statusCode,
      body: {
        status,
        checks: expect.arrayContaining([
          expect.objectContaining({
            name: 'invented',
            findings: [expect.objectContaining({ subject: 'a', value })],
          }),
        ]),
      },
    });
    await coldStart();
    expect(await health(stranger)).toMatchObject({ statusCode, body: { status } });
  });

  it('answers 503 when the database cannot be reached, and says so in one word only to strangers', async () => {
    await coldStart({ SUPABASE_URL: 'http://127.0.0.1:9' });
    const { statusCode, body } = await health();
    expect(statusCode).toBe(503);
    expect(body).toMatchObject({
      status: 'critical',
      database: { reachable: false, error: { code: 'NS503' } },
      checks: [],
    });
    await coldStart({ SUPABASE_URL: 'http://127.0.0.1:9' });
    expect((await health(stranger)).body).toEqual({ status: 'critical' });
  });

  it('names the checks for which a slow one left no time', async () => {
    const { fetch } = globalThis;
    vi.stubGlobal('fetch', async (...request: Parameters<typeof fetch>) =>
      Response.json({ ...(await (await fetch(...request)).json()), notRun: ['connections'] }),
    );
    try {
      expect((await health()).body).toMatchObject({ status: 'warning', notRun: ['connections'] });
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('writes nothing', async () => {
    await health();
    expect(await suite.countRuns()).toBe(0);
    expect(await suite.sql`select * from nightshift.trend_points`).toHaveLength(0);
  });
});

const reportOf = ({ report }: { report?: unknown }) => report as HealthReport;

describe('the function health-check', () => {
  it('leaves a report of what is not ok in the ledger, and notes the size of the database', async () => {
    await invent(
      'invented',
      `${measure('a', 1)} union all ${measure('b', 30)} union all ${measure('c', 12)}`,
    );
    const run = await send({});
    const kept = await runOf(run.id);
    expect(kept?.status).toBe('succeeded');
    expect(kept?.report).toMatchObject({
      level: 'critical',
      quick: false,
      counts: { critical: 1 },
      notRun: [],
    });
    const [worst] = reportOf(run).checks;
    expect(worst).toMatchObject({ name: 'invented', findingsTotal: 2, value: 30 });
    expect(worst?.findings.map(({ subject, level }) => [subject, level])).toEqual([
      ['b', 'critical'],
      ['c', 'warning'],
    ]);
    await send({});
    const [size] =
      await suite.sql`select bytes > 1000000 as plausible from nightshift.trend_points where kind = 'database'`;
    expect(size).toEqual({ plausible: true });
  });

  it('looks also while its history is locked', async () => {
    await suite.sql.begin(async (sql) => {
      await sql`lock table nightshift.trend_points`;
      expect(await send({ only: ['connections'] })).toMatchObject({ status: 'succeeded' });
    });
    expect(await suite.sql`select from nightshift.trend_points`).toHaveLength(0);
    await send({ only: ['connections'] });
    expect((await suite.sql`select from nightshift.trend_points`).length).toBeGreaterThan(0);
  });

  it('counts the levels, and the state of every job that has policies or ran', async () => {
    await suite.fill('app.orders');
    await suite.sql`update nightshift.retention_policies set created_at = now() - interval '30 hours'`;
    await invent('invented', measure('a', 30), false);
    const metrics = await counted(() => send({}));
    expect(metrics['health-check']).toMatchObject({
      RunSucceeded: 1,
      ChecksCritical: expect.any(Number),
      ChecksWarning: expect.any(Number),
      ChecksUnknown: expect.any(Number),
    });
    expect(metrics['retention-purge']).toEqual({
      SecondsSinceLastSuccess: expect.closeTo(30 * 3600, -2),
      FailedRunsInRow: 0,
      PartialRunsInRow: 0,
      LostRunsInRow: 0,
    });
    expect(metrics['view-refresh']).toBeUndefined();
  });

  describe('says of each job what went wrong in a row', () => {
    const quickly = () => counted(() => send({ quick: true }));
    const zeros = { FailedRunsInRow: 0, PartialRunsInRow: 0, LostRunsInRow: 0 };
    /** As if all that is in the ledger had happened so much earlier. */
    const goBack = (interval: string) => suite.sql`
      update nightshift.runs
      set started_at = started_at - ${interval}::interval, finished_at = finished_at - ${interval}::interval,
        lease_expires_at = lease_expires_at - ${interval}::interval`;

    it('and that it is over, for an hour and in each full run', async () => {
      await suite.sql.unsafe(
        run('retention-purge', 'failed') + run('retention-purge', 'succeeded'),
      );
      await goBack('55 minutes');
      expect((await quickly())['retention-purge']).toMatchObject(zeros);
      await goBack('10 minutes');
      // Of itself, too, which is always at work.
      expect((await quickly())['health-check']).toMatchObject(zeros);
      expect(Object.keys((await quickly())['retention-purge'] ?? {})).toEqual([
        'SecondsSinceLastSuccess',
      ]);
      expect((await counted(() => send({})))['retention-purge']).toMatchObject(zeros);
    });

    it('and for as long as it is not over', async () => {
      await suite.sql.unsafe(
        run('view-refresh', 'failed') +
          run('retention-purge', 'partial') +
          run('partition-maintenance', 'succeeded'),
      );
      await goBack('1 day');
      await suite.sql`select nightshift.begin_run('partition-maintenance', 'cli', as_of => now() - interval '10 hours')`;
      const metrics = await quickly();
      expect(metrics['view-refresh']).toEqual({ FailedRunsInRow: 1 });
      expect(metrics['retention-purge']).toMatchObject({ PartialRunsInRow: 1 });
      expect(metrics['partition-maintenance']).toMatchObject({ LostRunsInRow: 1 });
    });

    it('in as few metrics as docs/deploy.md takes for the costs', async () => {
      for (const job of jobNames) await suite.sql.unsafe(run(job, 'succeeded'));
      await goBack('2 hours');
      await suite.sql.unsafe(run('health-check', 'succeeded'));
      const [row] = rowsOf(sectionOf(readPage('docs/deploy.md'), 'What it costs'), 'What');
      const counts = Object.values(await quickly()).flatMap((line) => Object.keys(line));
      expect(row).toMatchObject({
        'How many': `${counts.length}`,
        'Dollars a month': (counts.length * 0.3).toFixed(2),
      });
    });
  });

  it('counts what the last full run found with what a quick one sees', async () => {
    await invent('slow_to_change', measure('a', 30), false);
    const critical = (metrics: Record<string, object>) =>
      (metrics['health-check'] as { ChecksCritical: number }).ChecksCritical;
    const full = critical(await counted(() => send({})));
    const quick = await counted(() => send(schedulerInput({ input: { quick: true } })));
    expect(critical(quick)).toBe(full);
    expect(full).toBeGreaterThan(0);

    await suite.sql`select nightshift.set_health_threshold('slow_to_change')`;
    // Neither of these has looked at everything and kept it.
    await send({ dryRun: true });
    await send({ only: ['connections'] });
    expect(critical(await counted(() => send({ quick: true })))).toBe(full);
    await send({});
    expect(critical(await counted(() => send({ quick: true })))).toBe(full - 1);
  });

  it('counts as unknown what the last full run had no time for', async () => {
    await send({});
    await suite.sql`
      update nightshift.runs set report = jsonb_set(report, '{notRun}', '["invalid_indexes", "connections"]')`;
    const metrics = await counted(() => send({ quick: true }));
    await suite.sql`update nightshift.runs set report = jsonb_set(report, '{notRun}', '[]')`;
    const before = await counted(() => send({ quick: true }));
    const unknown = (of: Record<string, object>) =>
      (of['health-check'] as { ChecksUnknown: number }).ChecksUnknown;
    expect(unknown(metrics) - unknown(before)).toBe(1);
  });

  it('counts nothing in a dry run and of a few checks, and keeps no figure in a dry run', async () => {
    const dry = await counted(() => send({ dryRun: true }));
    expect(dry).toEqual({});
    expect(await suite.sql`select * from nightshift.trend_points`).toHaveLength(0);
    const some = await counted(() => send({ only: ['connections'] }));
    expect(some['health-check']).not.toHaveProperty('ChecksCritical');
  });

  it('lets neither a slow check nor a failing one take the others with it', async () => {
    await suite.sql`alter function nightshift.check_health set statement_timeout = '1500ms'`;
    // A gateway reads the time limit of a function once, so this takes one of its own.
    const gateway = await startGateway({
      databaseUrl: suite.db.url,
      schemas: ['public', 'nightshift'],
    });
    await coldStart({ SUPABASE_URL: gateway.url, SUPABASE_SECRET_KEY: gateway.secretKey });
    await invent('a_slow_one', never);
    await invent('b_slow_one', never);
    await invent(
      'failing',
      `select 'a', 1 / 0.0, null, null, null::numeric, null::numeric, null::numeric, null::text`,
    );
    await invent('zz_last', measure('a', 12));
    const run = await send({}).finally(gateway.close);
    expect(run.status).toBe('succeeded');
    const { checks, notRun } = reportOf(run);
    expect(notRun).toEqual([]);
    const found = new Map(checks.map((check) => [check.name, check]));
    expect(found.get('a_slow_one')?.findings[0]?.detail).toMatch(/stopped: it took too long/);
    expect(found.get('b_slow_one')?.level).toBe('unknown');
    expect(found.get('failing')?.findings[0]?.detail).toMatch(/22012; the Postgres log has/);
    expect(found.get('zz_last')).toMatchObject({ level: 'warning', value: 12 });
  });

  it('fails when no check can run', async () => {
    await suite.sql`create table app.kept as table nightshift.health_checks`;
    await suite.sql`delete from nightshift.health_checks`;
    try {
      await invent(
        'failing',
        `select 'a', 1 / 0.0, null, null, null::numeric, null::numeric, null::numeric, null::text`,
      );
      await expect(send({})).rejects.toMatchObject({
        code: 'NS502',
        message: 'No check could run',
      });
    } finally {
      await suite.sql`insert into nightshift.health_checks select * from app.kept`;
    }
  });

  it('refuses a check that there is not, with the names of those there are', async () => {
    const { statusCode, body } = await call({ body: { only: ['nothing_such'] } });
    expect(statusCode).toBe(404);
    expect(body).toMatchObject({ code: 'NS404', hint: expect.stringContaining('connections') });
  });
});
