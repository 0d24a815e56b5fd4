import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deadlineIn, systemClock } from '../../functions/_shared/clock.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import { exampleSeeds, fillExamples } from '../../infra/local/examples.ts';
import { loadJob } from '../../infra/local/jobs.ts';
import { loadSeed } from '../../infra/local/migrate.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { readHealth } from '../support/health.ts';

describe('the example applications, after a night shift and an autovacuum', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createDatabase();
    for (const seed of exampleSeeds) await loadSeed(db.url, seed);
    await fillExamples(db.url, { users: 100, packages: 2_000, metrics: 20_000, products: 200 });
    // The seed has an entry of a clock that was wrong, which no run moves.
    await db.sql`delete from public.audit_logs where occurred_at > now() + interval '1 year'`;
    const { url, secretKey } = await db.gateway();
    const deadline = deadlineIn(systemClock, 60_000);
    for (const job of [
      'partition-maintenance',
      'retention-purge',
      'view-refresh',
      'health-check',
    ]) {
      await runJob(
        await loadJob(job),
        { trigger: 'cli', input: {} },
        {
          rpc: createRpc({ url, secretKey }, deadline),
          clock: systemClock,
          deadline,
          log: silentLog,
          metrics: noMetrics,
        },
      );
    }
    await db.sql`vacuum analyze`;
  });
  afterAll(() => db.drop());

  it('have no finding above info', async () => {
    const { checks, notRun } = await readHealth(db.sql);
    expect(notRun).toEqual([]);
    const worse = checks
      // Of the whole server, which other tests use as well.
      .filter(
        ({ name }) => !/^(connections|inactive_replication_slots|replication_lag)$/.test(name),
      )
      .flatMap(({ name, findings }) =>
        findings
          .filter(({ level }) => level !== 'info')
          .map(({ level, subject, detail }) => `${level} ${name} ${subject}: ${detail}`),
      );
    expect(worse).toEqual([]);
    expect(checks.length).toBeGreaterThan(30);
  });
});
