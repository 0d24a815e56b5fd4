import { beforeEach, describe, expect, it } from 'vitest';
import type { PartitionReport } from '../../functions/partition-maintenance/schema.ts';
import { emfLinesOf, valuesIn } from '../support/emf.ts';
import { schedulerInput } from '../support/events.ts';
import { setUpHandler, shortOfTime } from '../support/handler.ts';
import { written } from '../support/record-output.ts';

const suite = setUpHandler({}, 'partition-maintenance');
const { call, coldStart, send } = suite;
const reportOf = ({ report }: { report?: unknown }) => report as PartitionReport;

/** app.a has a default partition with a row for now and one for never; app.b has months that are due. */
beforeEach(() =>
  suite.sql.unsafe(`
    create table app.a (day date not null) partition by range (day);
    create table app.a_rest partition of app.a default;
    insert into app.a values (now()::date), ('2999-01-01');
    create table app.b (day date not null) partition by range (day);
    select nightshift.add_partition_policy('app.a', '1 month', premake => 2);
    select nightshift.add_partition_policy('app.b', '1 month', premake => 1, retention => '1 month', retire => 'drop', max_fraction => 1);
    select nightshift.create_missing_partitions('app.b', now() - interval '4 months')`),
);

describe('the function partition-maintenance', () => {
  it('answers over HTTP with what it did, and the second time that nothing was to be done', async () => {
    const first = await call();
    expect(first).toMatchObject({ statusCode: 200, body: { status: 'succeeded' } });
    expect(reportOf(first.body)).toMatchObject({ rowsMoved: 1, partitionsRetired: 2 });
    const second = await call();
    expect(reportOf(second.body)).toMatchObject({
      partitionsCreated: 0,
      partitionsRetired: 0,
      partitionsDropped: 0,
      rowsMoved: 0,
    });
  });

  it.each([
    ['{"only": ["app.none"]}', 404, 'app.a, app.b'],
    ['{"only": []}', 422, 'only'],
    ['{"parallelism": 2}', 422, 'parallelism'],
  ])('refuses %s with %i and what is wrong', async (body, statusCode, named) => {
    const answer = await call({ body });
    expect(answer.statusCode).toBe(statusCode);
    expect(JSON.stringify(answer.body)).toContain(named);
  });

  it('looks after what only names, and passes over what is switched off', async () => {
    const { body } = await call({ body: '{"only": ["app.b"]}' });
    expect(reportOf(body).steps.map(({ table }) => table)).toEqual(['app.b']);
    await suite.sql`select nightshift.alter_partition_policy('app.b', enabled => false)`;
    const rest = reportOf((await call()).body);
    expect(rest.steps.map(({ table }) => table)).toEqual(['app.a']);
    expect(rest.disabled).toEqual(['app.b']);
  });

  it('goes on over the bus when it had no time, and tells the whole in the end', async () => {
    const first = await send(schedulerInput(), shortOfTime());
    expect(first.status).toBe('continued');
    expect(reportOf(first).steps.map(({ status }) => status)).toEqual(['waiting', 'waiting']);
    expect(suite.bus.delivered.map(({ detail }) => detail)).toEqual([
      { version: 1, runId: first.id, attempt: 1, job: 'partition-maintenance' },
    ]);
    const second = await send(suite.bus.delivered[0]);
    expect(second).toMatchObject({ id: first.id, status: 'succeeded' });
    expect(reportOf(second)).toMatchObject({ partitionsRetired: 2, rowsMoved: 1 });
  });

  it('detaches over the direct connection when there is one', async () => {
    const { url } = suite.db;
    await coldStart({ NIGHTSHIFT_DATABASE_URL: url });
    expect(reportOf(await send({}))).toMatchObject({ partitionsRetired: 2 });
  });

  it('falls back to locks when the direct connection is not to be had', async () => {
    await coldStart({ NIGHTSHIFT_DATABASE_URL: 'postgres://nobody:x@127.0.0.1:1/none' });
    const run = await send({});
    expect(run.status).toBe('succeeded');
    expect(reportOf(run)).toMatchObject({ partitionsRetired: 2 });
  });

  it('counts no room and no rows without a place when it looked at some tables', async () => {
    const [table = ''] = reportOf(await send({ dryRun: true })).steps.map(({ table }) => table);
    const from = written.length;
    await send({ only: [table] });
    const [values] = emfLinesOf(written.slice(from)).map(valuesIn);
    expect(values).toMatchObject({ PartitionsRetired: expect.any(Number) });
    for (const name of ['PartitionHorizonDays', 'DefaultPartitionRows', 'PartitionsOversized']) {
      expect(values).not.toHaveProperty(name);
    }
  });

  it('counts what it did, how far there is room, and what has no place', async () => {
    const from = written.length;
    const run = await send({});
    const values = emfLinesOf(written.slice(from)).map(valuesIn);
    const horizons = reportOf(run).steps.map(({ horizonDays }) => horizonDays ?? 0);
    expect(values).toEqual([
      {
        PartitionsCreated: reportOf(run).partitionsCreated,
        PartitionsRetired: 2,
        PartitionsDropped: 0,
        PartitionsOversized: 0,
        DefaultPartitionRows: 1,
        PartitionHorizonDays: Math.min(...horizons),
        RunSucceeded: 1,
      },
    ]);
  });

  it('changes nothing while paused', async () => {
    await suite.sql`select nightshift.pause('migration')`;
    expect(await call()).toMatchObject({ statusCode: 428, body: { code: 'NS428' } });
    expect(await suite.sql`select from nightshift.retired_partitions`).toEqual([]);
    await suite.sql`select nightshift.unpause()`;
  });
});
