import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../functions/_shared/metrics.ts';
import { emfLinesOf, namesIn, valuesIn } from '../support/emf.ts';
import { continueEvent, lambdaContext, ruleEvent } from '../support/events.ts';
import { type PurgeRun, setUpHandler, shortOfTime } from '../support/handler.ts';
import { deletedIds } from '../support/purge.ts';
import { written } from '../support/record-output.ts';
import { idsOf, range } from '../support/rows.ts';

const units = {
  RunSucceeded: 'Count',
  RunPartial: 'Count',
  RunFailed: 'Count',
  RunLost: 'Count',
  RowsPurged: 'Count',
  ChildRowsPurged: 'Count',
  RowsBlocked: 'Count',
  BacklogRows: 'Count',
  BacklogAgeSeconds: 'Seconds',
  BatchDurationMs: 'Milliseconds',
} as const;
type Values = Partial<Record<keyof typeof units, number | number[]>>;

const suite = setUpHandler({
  NIGHTSHIFT_EVENT_BUS: undefined,
});
const { fill, onDelete, send } = suite;

/** What was counted while `act` ran, one object a line of EMF. */
async function counted(act: () => Promise<unknown>): Promise<Values[]> {
  const from = written.length;
  await act();
  return emfLinesOf(written.slice(from)).map((line) => valuesIn(line) as Values);
}

async function purge(input: unknown = {}, context = lambdaContext()) {
  let run: PurgeRun | undefined;
  const lines = await counted(async () => {
    run = await send(input, context);
  });
  if (!run) throw new Error('There is no run.');
  return { run, report: run.report, values: lines[0] ?? {}, lines };
}

const listOf = (value: number | number[] | undefined) => [value ?? []].flat();

describe('what a run counts', () => {
  it('is what its report says, when it succeeds', async () => {
    await fill('app.orders');
    await fill('app.logs', { due: 3 });
    const { report, values, lines } = await purge();
    expect(lines).toHaveLength(1);
    expect(values).toEqual({
      RunSucceeded: 1,
      RowsPurged: 13,
      ChildRowsPurged: 0,
      RowsBlocked: 0,
      BacklogRows: 0,
      BacklogAgeSeconds: 0,
      BatchDurationMs: expect.anything(),
    });
    expect(values.RowsPurged).toBe(report.rowsPurged);
    const batchesMs = listOf(values.BatchDurationMs);
    expect(batchesMs).toHaveLength(report.steps.reduce((sum, { batches }) => sum + batches, 0));
  });

  it('is what its report says, when rows are still needed', async () => {
    await fill('app.orders');
    await suite.sql`
      create table app.lines as
      select n as id, n as order_id from generate_series(8, 30) n`;
    await suite.sql`create index on app.lines (order_id)`;
    await suite.sql`alter table app.lines add foreign key (order_id) references app.orders`;
    const { report, values } = await purge();
    expect(values).toMatchObject({
      RunPartial: 1,
      RowsPurged: 7,
      RowsBlocked: 3,
      BacklogRows: 3,
      BacklogAgeSeconds: report.steps[0]?.overdueSeconds,
    });
    expect(values).toMatchObject({
      RowsPurged: report.rowsPurged,
      RowsBlocked: report.rowsBlocked,
      BacklogRows: report.rowsLeft,
    });
    // Due since ten days.
    expect(values.BacklogAgeSeconds).toBeGreaterThanOrEqual(10 * 86_400);
    expect(values.BacklogAgeSeconds).toBeLessThan(10 * 86_400 + 3_600);
    expect(values).not.toHaveProperty('RunSucceeded');
  });

  it('has no backlog of all tables, when it looked at some', async () => {
    await fill('app.orders');
    await fill('app.logs', { due: 3 });
    const { values } = await purge({ only: ['app.logs'] });
    expect(values).toMatchObject({ RunSucceeded: 1, RowsPurged: 3 });
    expect(values).not.toHaveProperty('BacklogRows');
    expect(values).not.toHaveProperty('BacklogAgeSeconds');
  });

  it('is a failure and no rows, when the brake stops it', async () => {
    await fill('app.orders', { due: 900, fresh: 300 });
    const lines = await counted(() => expect(send({})).rejects.toMatchObject({ code: 'NS428' }));
    expect(lines).toMatchObject([{ RunFailed: 1, RowsPurged: 0, BacklogRows: 900 }]);
  });

  it('is a failure with its backlog, when every table fails', async () => {
    await fill('app.orders');
    await onDelete('app.orders', `raise exception 'no' using errcode = '55000'`);
    const lines = await counted(() => expect(send({})).rejects.toThrow());
    expect(lines).toMatchObject([{ RunFailed: 1, RowsPurged: 0, BacklogRows: 10 }]);
  });

  it('is nothing, when another run is under way', async () => {
    await suite.sql`select nightshift.begin_run('retention-purge', 'cli')`;
    expect((await purge()).lines).toEqual([]);
  });

  it('is a failure, when the ledger is out of reach', async () => {
    await suite.coldStart({ SUPABASE_URL: 'http://127.0.0.1:9' });
    const lines = await counted(() =>
      expect(send({}, lambdaContext({ remainingMs: 2_300 }))).rejects.toMatchObject({
        code: 'NS503',
      }),
    );
    expect(lines).toEqual([{ RunFailed: 1 }]);
  });

  it('is a loss beside its own success, when the run before it died', async () => {
    await suite.sql`
      select nightshift.begin_run('retention-purge', 'cli', as_of => now() - interval '10 minutes')`;
    expect((await purge()).lines).toMatchObject([{ RunLost: 1, RunSucceeded: 1 }]);
  });

  it('is nothing, not even a line, when it was done before or asked for what cannot be', async () => {
    const event = ruleEvent({ id: 'done-before' });
    expect((await purge(event)).lines).toHaveLength(1);
    expect((await purge(event)).lines).toEqual([]);
    const refused = () => expect(send({ dryRun: 1 })).rejects.toMatchObject({ code: 'NS422' });
    expect(await counted(refused)).toEqual([]);
  });

  describe('in a dry run', () => {
    /** How long a batch took is no news of the run. */
    const newsOf = (lines: Values[]) =>
      lines.flatMap((line) => Object.keys(line)).filter((name) => name !== 'BatchDurationMs');

    it('is nothing, when it succeeds', async () => {
      await fill('app.orders');
      const { lines, report } = await purge({ dryRun: true });
      expect(report).toMatchObject({ rowsPurged: 10, rowsLeft: 10 });
      expect(newsOf(lines)).toEqual([]);
    });

    it('is nothing, when it fails', async () => {
      await fill('app.orders');
      await suite.sql`alter table app.orders rename column deleted_at to gone_at`;
      const failed = () => expect(send({ dryRun: true })).rejects.toMatchObject({ code: 'NS502' });
      expect(newsOf(await counted(failed))).toEqual([]);
    });

    it('is nothing, when another run is under way', async () => {
      await suite.sql`select nightshift.begin_run('retention-purge', 'cli')`;
      expect(newsOf((await purge({ dryRun: true })).lines)).toEqual([]);
    });
  });

  it('is what each attempt did, when there are two; the report has what the run did', async () => {
    await fill('app.orders', { due: 1_600, fresh: 2_000 });
    await suite.sql`
      create table app.lines as select n as order_id from generate_series(100, 1600, 100) n`;
    await suite.sql`create index on app.lines (order_id)`;
    await suite.sql`alter table app.lines add foreign key (order_id) references app.orders`;
    suite.slowDown();
    const first = await purge({}, shortOfTime());
    expect(first.run.status).toBe('continued');
    expect(first.values).toMatchObject({
      RunPartial: 1,
      RowsPurged: first.report.rowsPurged,
      RowsBlocked: first.report.rowsBlocked,
      BacklogRows: first.report.rowsLeft,
    });
    expect(first.values.RowsBlocked).toBeGreaterThan(0);

    suite.speedUp();
    const second = await purge(continueEvent({ runId: first.run.id, attempt: 1 }));
    expect(second.report).toMatchObject({ rowsPurged: 1_584, rowsBlocked: 16, rowsLeft: 16 });
    expect(second.values).toMatchObject({
      RunPartial: 1,
      RowsPurged: 1_584 - first.report.rowsPurged,
      RowsBlocked: 16 - first.report.rowsBlocked,
      BacklogRows: 16,
    });
    expect(await idsOf(suite.sql, 'app.orders')).toHaveLength(2_016);
  });

  it('is also what went with the rows of another table, after the turn of its own', async () => {
    await fill('app.heads', { due: 1_600, fresh: 2_000 });
    await fill('app.tails', { due: 1_600, fresh: 2_000 });
    // Each head with its tail, in a circle: the batches of either take both.
    for (const [one, other] of [
      ['heads', 'tails'],
      ['tails', 'heads'],
    ]) {
      await suite.sql.unsafe(`
        alter table app.${one}
        add other_id integer generated always as (id) stored unique references app.${other}`);
    }
    suite.slowDown();
    const first = await purge({}, shortOfTime());
    expect(first.run.status).toBe('continued');
    const went = (await deletedIds(suite.sql)).length;
    expect(first.values.RowsPurged).toBe(went);
    expect(first.report.rowsPurged).toBe(went);
    expect(first.values.BacklogRows).toBe(3_200 - went);

    suite.speedUp();
    const second = await purge(continueEvent({ runId: first.run.id, attempt: 1 }));
    expect(second.report).toMatchObject({ rowsPurged: 3_200, rowsLeft: 0 });
    expect(second.values.RowsPurged).toBe(3_200 - went);
  });

  it('prints nothing at all when nothing was counted, nor what was printed before', () => {
    const metrics = createMetrics('retention-purge');
    const from = written.length;
    metrics.describe('relations', 'app.orders');
    metrics.flush();
    expect(written.slice(from)).toEqual([]);
    metrics.add('RunPartial', 1);
    metrics.flush();
    metrics.flush();
    expect(written.slice(from)).toHaveLength(1);
  });

  it('is in lines of at most 100 values each, however many batches there were', async () => {
    const lines = await counted(async () => {
      const metrics = createMetrics('retention-purge');
      for (const ms of range(1, 250)) metrics.add('BatchDurationMs', ms);
      metrics.add('RowsPurged', 7);
      metrics.describe('relations', 'app.orders');
      metrics.flush();
    });
    const values = lines.map(({ BatchDurationMs }) => listOf(BatchDurationMs));
    expect(Math.max(...values.map(({ length }) => length))).toBeLessThanOrEqual(100);
    expect(values.flat()).toEqual(range(1, 250));
    expect(lines.at(-1)).toMatchObject({ RowsPurged: 7 });
  });
});

// Last, because it is about all that was written above.
describe('all that was written', () => {
  it('as metrics is valid EMF: one namespace, one dimension, known names and units', () => {
    const lines = emfLinesOf(written);
    expect(lines.length).toBeGreaterThan(15);
    for (const line of lines) {
      expect(line._aws.Timestamp).toBeGreaterThan(1_700_000_000_000);
      expect(Number.isInteger(line._aws.Timestamp)).toBe(true);
      expect(line._aws.CloudWatchMetrics).toHaveLength(1);
      const [directive] = line._aws.CloudWatchMetrics;
      expect(directive?.Namespace).toBe('Nightshift');
      expect(directive?.Dimensions).toEqual([['service']]);
      expect(line.service).toBe('retention-purge');
      expect(new Set(namesIn(line)).size).toBe(namesIn(line).length);
      for (const metric of directive?.Metrics ?? []) {
        expect(metric).toEqual({
          Name: metric.Name,
          Unit: units[metric.Name as keyof typeof units],
        });
        const values = [line[metric.Name]].flat();
        expect(values.length).toBeGreaterThan(0);
        expect(values.length).toBeLessThanOrEqual(100);
        for (const value of values) expect(Number.isFinite(value)).toBe(true);
      }
      // Relation names are facts beside the metrics: as a dimension each would be billed.
      const others = Object.keys(line).filter((name) => !(name in units));
      expect(['_aws', 'relations', 'service']).toEqual(expect.arrayContaining(others));
    }
    const seen = new Set(lines.flatMap(namesIn));
    expect([...seen].sort()).toEqual(Object.keys(units).sort());
  });
});
