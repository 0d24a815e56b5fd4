import { expect, it } from 'vitest';
import { logInWords } from '../../infra/local/function-log.ts';

const log = (fields: object) =>
  JSON.stringify({ service: 'retention-purge', timestamp: '2026-11-29T02:00:00Z', ...fields });
const runId = '3f0c6c7e-55a5-4f6e-9d0a-0a4b1f7a2c11';

it.each<[string, string, string | undefined]>([
  [
    'the end of a run',
    log({ level: 'INFO', message: 'Run succeeded', runId, report: { rows: 3 } }),
    'retention-purge: Run succeeded (3f0c6c7e)',
  ],
  [
    'trouble',
    log({
      level: 'WARN',
      message: 'HTTP call refused',
      error: { code: 'NS401', message: 'A token is needed' },
    }),
    'retention-purge: HTTP call refused: A token is needed',
  ],
  ['anything else of a function', log({ level: 'INFO', message: 'Event ignored' }), undefined],
  ['metrics', '{"_aws": {"Timestamp": 1}, "service": "retention-purge"}', undefined],
  ['what serverless-offline says', 'Server ready: http://127.0.0.1:3000', undefined],
])('says in a line %s', (_, line, words) => {
  expect(logInWords(line)).toBe(words);
});
