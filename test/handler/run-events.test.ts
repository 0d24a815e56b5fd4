import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { eventDetails } from '../../functions/_shared/run-events.ts';
import { jobNames } from '../../functions/registry.ts';
import { lambdaContext } from '../support/events.ts';
import { setUpHandler } from '../support/handler.ts';
import { good } from '../support/nights.ts';
import { written } from '../support/record-output.ts';

const page = readFileSync(new URL('../../docs/events.md', import.meta.url), 'utf8');
const types = Object.keys(eventDetails) as (keyof typeof eventDetails)[];

describe('docs/events.md', () => {
  it.each(types)('has an example of %s that fits its schema, and explains each member', (type) => {
    const [, example = ''] =
      new RegExp(`^## ${type}\\n+\`\`\`json\\n([^\`]+)`, 'm').exec(page) ?? [];
    const detail = eventDetails[type].strict().parse(JSON.parse(example));
    const members = [...page.matchAll(/^\| ([\w, ]+) \| [^|]+ \| [^|]+ \|$/gm)];
    const explained = members.flatMap(([, names = '']) => names.split(', '));
    expect(explained).toEqual(expect.arrayContaining(Object.keys(detail)));
  });

  it('names each event that there is', () => {
    const headings = [...page.matchAll(/^## (nightshift\..+)$/gm)].map(([, heading]) => heading);
    expect(headings.sort()).toEqual(types.toSorted());
  });
});

const ended = (suite: ReturnType<typeof setUpHandler>) =>
  suite.bus.delivered.map((event) => ({
    type: event['detail-type'],
    detail: z.record(z.string(), z.unknown()).parse(event.detail),
  }));

describe.each(jobNames)('a run of %s', (job) => {
  const suite = setUpHandler({}, job);

  it('that did its work is told with the counts that the page names', async () => {
    await good[job](suite);
    const [run] = (await suite.runs()).filter(({ trigger }) => trigger !== 'cli');
    const [first] = ended(suite);
    expect(first).toMatchObject({
      type: 'nightshift.run.finished',
      detail: { job, runId: run?.id, trigger: 'event', attempt: 1, status: 'succeeded' },
    });
    const { counts } = eventDetails['nightshift.run.finished'].strict().parse(first?.detail);
    const [, named = ''] = new RegExp(`^\\| ${job} \\| (\\w+(?:, \\w+)*)`, 'm').exec(page) ?? [];
    expect(Object.keys(counts).sort()).toEqual(named.split(', ').sort());
  });

  it('finds the one before it lost, and tells of both', async () => {
    await suite.sql`
      select nightshift.begin_run(${job}, 'cli', as_of => now() - interval '10 minutes')`;
    await suite.send({});
    expect(ended(suite).map(({ type }) => type)).toEqual([
      'nightshift.run.finished',
      'nightshift.run.failed',
    ]);
    const lost = eventDetails['nightshift.run.failed'].strict().parse(ended(suite)[1]?.detail);
    expect(lost).toMatchObject({ job, trigger: 'cli', status: 'lost', error: { code: 'NS409' } });
    expect((await suite.runs()).find(({ id }) => id === lost.runId)?.status).toBe('lost');
  });
});

describe('of the purge', () => {
  const suite = setUpHandler({ POWERTOOLS_DEV: undefined, POWERTOOLS_LOG_LEVEL: 'ERROR' });

  it('a run that failed is told with its code, and nothing of the row that was in the way', async () => {
    await suite.fill('app.orders', { note: 'Mrs Smith' });
    await suite.onDelete('app.orders', `raise exception 'no: %', old.note using errcode = '55000'`);
    await expect(suite.send({})).rejects.toMatchObject({ code: 'NS502' });
    const [{ type, detail } = { type: '', detail: {} }] = ended(suite);
    expect(type).toBe('nightshift.run.failed');
    expect(eventDetails['nightshift.run.failed'].strict().parse(detail)).toMatchObject({
      status: 'failed',
      error: { code: 'NS502', message: 'No table could be purged' },
    });
    expect(JSON.stringify(suite.bus.delivered)).not.toContain('Smith');
  });

  it('nothing is told of a dry run, of a trigger that comes again, and of what was skipped', async () => {
    await suite.fill('app.orders');
    expect((await suite.call({ body: { dryRun: true } })).statusCode).toBe(200);
    expect(suite.bus.offered).toBe(0);
    const headers = { 'idempotency-key': 'once' };
    expect((await suite.call({ headers })).statusCode).toBe(200);
    expect((await suite.call({ headers })).body).toMatchObject({ duplicate: true });
    expect(suite.bus.offered).toBe(1);
    await suite.sql`select nightshift.pause()`;
    expect((await suite.call()).statusCode).toBe(428);
    expect(suite.bus.offered).toBe(1);
    await suite.sql`select nightshift.unpause()`;
  });

  it('a bus that is down leaves the run as it is, and is logged and counted', async () => {
    await suite.fill('app.orders');
    suite.bus.breakDown();
    const from = written.length;
    expect(await suite.send({}, lambdaContext())).toMatchObject({ status: 'succeeded' });
    const lines = written.slice(from);
    expect(lines).toContainEqual(expect.stringMatching(/"EventsUndelivered":1\b/));
    expect(lines).toContainEqual(expect.stringContaining('An event was not delivered'));
  });
});
