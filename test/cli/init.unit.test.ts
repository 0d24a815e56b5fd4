import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { ask } from '../../cli/init/answers.ts';
import type { Candidate } from '../../cli/init/candidate.ts';
import { wordsOf } from '../../cli/init/logs.ts';
import { textOf } from '../../cli/init/migration.ts';
import { idOf, type Proposal } from '../../cli/init/proposal.ts';
import { tonightInWords } from '../../cli/init/tonight.ts';

const proposal = (relation: string): Proposal => ({
  id: idOf('retention', relation),
  kind: 'retention',
  relation,
  evidence: { bytes: 0, rows: 0, rowsPerDay: null, oldest: null, index: null, keys: [] },
  rowsTonight: 0,
  rowsTonightExact: true,
  rowsTonightAtMost: false,
  says: [],
  prepare: [],
  statement: 'select 1;',
  commented: false,
  arm: 'select 2;',
});
const two = [proposal('public.a'), proposal('public.b')];

/** Answers each question when it is asked; null closes the terminal instead. */
async function answering(answers: (string | null)[], home: 'edge' | null = null) {
  const input = new PassThrough();
  const output = new PassThrough();
  let asked = '';
  output.on('data', (chunk) => {
    asked += chunk;
    if (!/: $/.test(String(chunk))) return;
    const answer = answers.shift();
    if (answer === null) input.end();
    else input.write(`${answer}\n`);
  });
  return { given: await ask(two, home, { input, output }), asked, left: answers.length };
}

describe('what a terminal is asked', () => {
  it('is which proposals and which home, and Enter takes all and decides later', async () => {
    const { given, asked, left } = await answering(['', '']);
    expect(given).toEqual({
      home: null,
      proposals: { 'retention public.a': true, 'retention public.b': true },
    });
    expect(asked).toMatch(/Write them\?[\s\S]*Where do the jobs run\? aws, edge, cron/);
    expect(left).toBe(0);
  });

  it('is asked again where the answer cannot be read', async () => {
    const { given, left } = await answering(['3', 'b', '0', '2', 'azure', 'cron']);
    expect(given).toEqual({
      home: 'cron',
      proposals: { 'retention public.a': true, 'retention public.b': false },
    });
    expect(left).toBe(0);
  });

  it('is not the home where an option says it', async () => {
    expect((await answering(['1, 2'], 'edge')).given).toEqual({
      home: 'edge',
      proposals: { 'retention public.a': false, 'retention public.b': false },
    });
  });

  it.each([
    ['no', ['no']],
    ['the end of the input', [null]],
    ['the end at the second question', ['', null]],
  ])('writes nothing for %s', async (_, answers) => {
    expect((await answering(answers as (string | null)[])).given).toBeUndefined();
  });
});

describe('the migration', () => {
  it('has no line but comments and the statements themselves', () => {
    const odd: Proposal = {
      ...proposal('public."a\r\nb"'),
      says: ['One.\nTwo.\r\ndelete from a;'],
      prepare: [{ statement: 'create index\n on a (b);', why: 'Because\rof it.', lock: 'none' }],
      arm: 'select\n3;',
    };
    const text = textOf(
      [odd, { ...odd, commented: true }, { ...odd, statement: null, arm: null }],
      [odd],
    );
    expect(
      text.split(/\r\n|\r|\n/).filter((line) => line !== '' && !line.startsWith('-- ')),
    ).toEqual(['select 1;']);
  });
});

it('reads words in names of all kinds', () => {
  expect(['auditLog', 'API_requests', 'HTTPLogs', 'user-events2', 'catalog'].map(wordsOf)).toEqual([
    ['audit', 'log'],
    ['api', 'requests'],
    ['http', 'logs'],
    ['user', 'events2'],
    ['catalog'],
  ]);
});

it('says of no table that it is empty where there was no time to look at its oldest row', () => {
  const candidate = { about: 'written', dropAfter: '90 days', marker: 'at' } as Candidate;
  const figures = {
    seen: { relation: 'public.logs', dueRows: 0 },
    goes: { rows: 0, exact: true, atMost: false },
    waits: false,
  };
  expect(tonightInWords(candidate, { ...figures, oldestMs: undefined })).toMatch(/has no rows/);
  expect(tonightInWords(candidate, { ...figures, oldestMs: null })).toBe(
    'Tonight: no rows (older than 90 days by at). The window deletes nothing yet.',
  );
});
