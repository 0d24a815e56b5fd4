import { describe, expect, it } from 'vitest';
import { s3Event, snsMessage } from '../support/events.ts';
import { setUpHandler } from '../support/handler.ts';
import { written } from '../support/record-output.ts';
import { idsOf } from '../support/rows.ts';

/** In every row, and in whatever a row makes the application's triggers say. */
const rowSecret = 'ada.lovelace@example.org';
/** In what callers send and have no business to see in a log. */
const callerSecret = 'caller-4242';

const suite = setUpHandler();
const { call, fill, onDelete, send } = suite;

const loggedSince = (from: number) =>
  written.slice(from).map((line) => JSON.parse(line) as Record<string, unknown>);

describe('what of a row is shown', () => {
  it.each([
    ['23505', `insert into app.archive values (old.note), (old.note)`],
    ['P0001', `raise exception 'cannot delete %', old.note using detail = old.note`],
    ['23514', 'raise check_violation using message = old.note, hint = old.note'],
    // Codes that Postgres itself uses of objects and privileges, and applications of what they like.
    ['42501', `raise insufficient_privilege using message = old.note || ' is not yours'`],
    ['40001', 'raise serialization_failure using message = old.note'],
    ['PT418', `raise exception using errcode = 'PT418', message = old.note`],
    [
      'PGRST102',
      `raise sqlstate 'PGRST' using message = json_build_object('code', 'PGRST102', 'message', old.note)::text, detail = '{"status": 400, "headers": {}}'`,
    ],
    ['42703', `execute 'select ' || quote_ident(old.note)`],
  ])('is nothing, when a trigger ends in %s', async (code, body) => {
    const from = written.length;
    await fill('app.orders', { note: rowSecret });
    await suite.sql`create table app.archive (note text unique)`;
    await onDelete('app.orders', body);
    const answer = await call();
    expect(answer).toMatchObject({ statusCode: 200, body: { status: 'partial' } });
    // Who refused, and not with which words.
    const refuser =
      code === '23505'
        ? 'constraint archive_note_key on app.archive'
        : expect.stringMatching(
            /^trigger on_delete on app.orders \(line \d+ of app\.on_delete\(\)\)$/,
          );
    const run = await suite.runOf(answer.body.runId);
    const [step] = run?.report.steps ?? [];
    expect(step).toMatchObject({ status: 'partial', rowsPurged: 0, rowsRefused: 10 });
    expect(Object.entries(step?.refusedBy ?? {})).toEqual([[refuser, 10]]);
    const ended = loggedSince(from).filter(({ runId }) => runId === run?.id);
    expect(ended).toContainEqual(expect.objectContaining({ report: run?.report }));
    const ledger = await suite.sql`select * from nightshift.runs`;
    expect(JSON.stringify([answer, ledger])).not.toContain(rowSecret);
    expect(await idsOf(suite.sql, 'app.orders')).toHaveLength(30);
  });

  it.each(['NS409', 'NS422', 'NS404'])('is nothing, under a code of ours: %s', async (code) => {
    await fill('app.orders', { note: rowSecret });
    const say = 'message = old.note, detail = old.note, hint = old.note';
    await onDelete('app.orders', `raise exception using errcode = '${code}', ${say}`);
    const answer = await call();
    expect(answer.body.report).toMatchObject({ steps: [{ rowsRefused: 10 }] });
    const ledger = await suite.sql`select * from nightshift.runs`;
    expect(JSON.stringify([answer, ledger])).not.toContain(rowSecret);
  });

  it('is nothing, when no row can go and the table fails', async () => {
    await fill('app.orders', { note: rowSecret });
    await onDelete('app.orders', `raise exception using errcode = '55000', message = old.note`);
    const { statusCode, body: problem } = await call();
    expect(statusCode).toBe(502);
    expect(problem).toMatchObject({
      code: 'NS502',
      detail: 'app.orders: purge_batch failed with 55000; the Postgres log has the message',
    });
    const ledger = await suite.sql`select * from nightshift.runs`;
    expect(JSON.stringify([problem, ledger])).not.toContain(rowSecret);
  });

  it('is nothing, and nothing of what callers send, when they are refused', async () => {
    const from = written.length;
    await call({ token: callerSecret });
    await call({ body: `{"password": "${callerSecret}"` });
    await call({ body: { dryRun: callerSecret } });
    await call({ body: { only: [7], force: callerSecret } });
    await call({ headers: { 'x-api-key': callerSecret } });
    for (const event of [s3Event(callerSecret), snsMessage(callerSecret), callerSecret]) {
      await expect(send(event)).rejects.toMatchObject({ code: 'NS400' });
    }
    const lines = written.slice(from).join('\n');
    expect(lines).toContain('NS401');
    expect(lines).toContain('NS400');
    expect(lines).toContain('NS422');
    expect(lines).not.toContain(callerSecret);
  });
});

// Last, because it is about all that was written above.
describe('all that was written', () => {
  it('is JSON, a line each', () => {
    expect(written.filter((line) => !line.startsWith('{'))).toEqual([]);
    for (const line of written) expect(() => JSON.parse(line)).not.toThrow();
  });

  // That it holds no key and no token, support/forbid-leaks.ts requires of each file.
  it('holds no row', () => {
    const all = written.join('\n');
    expect(all).toContain('archive_note_key');
    expect(all.includes(rowSecret)).toBe(false);
  });
});
