import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { readStartOptions } from '../../infra/local/start-options.ts';

it.each([
  [[], 3000],
  [['--port', '4000'], 4000],
  [['--port=65535', '--empty'], 65_535],
])('of %j have the port %i', (args, port) => {
  expect(readStartOptions(args)).toMatchObject({ port });
});

it.each([
  ['--port=', /--port takes a number from 1 to 65535, and not ""/],
  ['--port=abc', /and not "abc"/],
  ['--port=0', /and not "0"/],
  ['--port=65536', /and not "65536"/],
  ['--port=4e3', /and not "4e3"/],
  ['--port=80.5', /and not "80.5"/],
  ['--prot=80', /--prot/],
  ['empty', /empty/],
])('%s is refused before anything begins, with what there is', (arg, message) => {
  expect(() => readStartOptions([arg])).toThrowError(
    expect.objectContaining({
      code: 'NS422',
      message: expect.stringMatching(message),
      hint: expect.stringContaining('--port=<number>'),
    }),
  );
});

it('are wrong usage of npm start when they are not right', () => {
  const { stderr, stdout, status } = spawnSync(
    process.execPath,
    ['infra/local/start.ts', '--port=abc'],
    { encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } },
  );
  expect(stderr).toMatch(/--port takes a number .* \(NS422\)\n {2}Fix: npm start takes/);
  expect(stdout).toBe('');
  expect(status).toBe(2);
});
