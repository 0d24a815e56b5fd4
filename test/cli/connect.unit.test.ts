import { expect, it } from 'vitest';
import { notReached } from '../../cli/connect.ts';

const failed = (code: string) =>
  new TypeError('fetch failed', { cause: Object.assign(new Error(code), { code }) });
const ofStart = { url: 'http://127.0.0.1:54321', isLocal: true };

it('of npm start that has ended says to start it again', () => {
  expect(notReached(ofStart, failed('ECONNREFUSED')).hint).toMatch(/^npm start has ended/);
});

it.each([
  ['does not answer in time', ofStart, 'ETIMEDOUT'],
  ['breaks off', ofStart, 'ECONNRESET'],
  [
    'is not on this machine, in an .env.local of the application',
    { ...ofStart, url: 'https://abcd.supabase.co' },
    'ECONNREFUSED',
  ],
  ['was named in the environment', { ...ofStart, isLocal: false }, 'ECONNREFUSED'],
])('of one that %s says nothing of npm start', (_, connection, reason) => {
  expect(notReached(connection, failed(reason)).hint).toMatch(/^Check SUPABASE_URL/);
});
