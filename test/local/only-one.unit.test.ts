import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { holdCheckout } from '../../infra/local/only-one.ts';

let folder: string;
let lock: URL;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nightshift-lock-'));
  lock = pathToFileURL(join(folder, '.esbuild/start.lock'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const self = { pid: process.pid, port: 3000 };

it('lets one npm start have a checkout, and names it to the next, which leaves it alone', () => {
  const release = holdCheckout(lock, self);
  expect(() => holdCheckout(lock, { pid: 1, port: 4000 })).toThrowError(
    expect.objectContaining({
      code: 'NS409',
      message: `npm start runs in this checkout already: process ${process.pid}, asked for port 3000`,
      hint: expect.stringContaining('Ctrl-C'),
    }),
  );
  expect(existsSync(lock)).toBe(true);
  release();
  expect(existsSync(lock)).toBe(false);
  holdCheckout(lock, self)();
});

it.each([
  ['one that was killed', () => JSON.stringify({ pid: spawnSync('true').pid, port: 3000 })],
  ['a file that was cut off', () => '{"pid":'],
])('takes it over from %s', (_, content) => {
  holdCheckout(lock, self)();
  writeFileSync(lock, content());
  holdCheckout(lock, self)();
});
