import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAfresh, type TestDatabase } from '../support/database.ts';
import {
  createOwnDatabase,
  letPass,
  outcomes,
  runRefresh,
  viewOf,
  write,
} from '../support/views.ts';
import { until } from '../support/waiting.ts';

const view = 'app.seen';

describe('a view of which most is dead, while autovacuum is at work on it', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createOwnDatabase({ autovacuum_naptime: '1s' });
    await startAfresh(db.sql);
    await write(
      db.sql,
      `create table app.items (id integer, n integer);
      insert into app.items select n, 0 from generate_series(1, 20000) n;
      ${viewOf(view, 'select id, n from app.items')}
      alter materialized view ${view} set (autovacuum_enabled = false);`,
    );
    await runRefresh(db);
    await change();
    await runRefresh(db);
    await change();
    // Slow enough to be met: it sleeps after each page.
    await db.sql.unsafe(`alter materialized view ${view} set (
      autovacuum_enabled = true, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)`);
    await until('autovacuum comes', async () => (await autovacuum()) !== undefined);
  });
  afterAll(() => db.drop());

  const change = async () => {
    await letPass(db.sql);
    await write(db.sql, 'update app.items set n = n + 1');
  };
  const autovacuum = async () => {
    const [worker] = await db.sql<{ pid: number }[]>`
      select pid from pg_stat_progress_vacuum where relid = ${view}::text::regclass`;
    return worker?.pid;
  };

  it('is left to it as long as its data is not too old', async () => {
    const worker = await autovacuum();
    const run = await runRefresh(db);
    expect(run.run.status).toBe('succeeded');
    expect(outcomes(run)).toEqual({ [view]: 'skipped: vacuum' });
    expect(run.report.steps[0]?.detail).toMatch(
      /^autovacuum is removing [\d,]+ dead rows from it, beside [\d,]+ that live$/,
    );
    expect(await autovacuum()).toBe(worker);
  });

  it('is refreshed when that would make it too old', async () => {
    await letPass(db.sql, '2 days');
    expect(outcomes(await runRefresh(db))).toEqual({ [view]: 'refreshed: stale' });
  });
});
