import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { exampleSeeds } from '../../infra/local/examples.ts';
import { readDemoOptions, readStartOptions } from '../../infra/local/options.ts';

it.each([
  [[], 3000],
  [['--port', '4000'], 4000],
  [['--port=65535', '--empty'], 65_535],
])('of %j have the port %i', (args, port) => {
  expect(readStartOptions(args)).toMatchObject({ port });
});

it('fill the database with the example applications, unless it is to be empty', () => {
  expect(readStartOptions([]).examples).toEqual({
    seeds: exampleSeeds,
    size: { users: 200, packages: 20_000, metrics: 50_000, products: 500 },
  });
  expect(readStartOptions(['--empty']).examples).toBeUndefined();
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

it.each(['--scale=abc', '--scale=', '--scale=0', '--scale=1e9', '--scale=-1', '--scal=1'])(
  '%s of the demo is refused as well',
  (arg) => {
    expect(() => readDemoOptions([arg])).toThrowError(
      expect.objectContaining({
        code: 'NS422',
        message: expect.stringContaining(arg.slice(0, 6)),
        hint: expect.stringContaining('--scale=<number>'),
      }),
    );
  },
);

it('of the demo say how much of its data there is', () => {
  expect(readDemoOptions([])).toEqual({ scale: 1 });
  expect(readDemoOptions(['--scale', '0.1'])).toEqual({ scale: 0.1 });
});

it.each([
  [
    'infra/local/start.ts',
    '--prot=1',
    /Unknown option '--prot'[^\n]*\(NS422\)\n {2}Fix: npm start takes --empty/,
  ],
  [
    'infra/local/demo.ts',
    '--scale=abc',
    /--scale takes a number .* \(NS422\)\n {2}Fix: npm run demo takes/,
  ],
  [
    'cli/smoke/main.ts',
    '--database=x',
    /--database-url <url>' not specified\n {2}Fix: npm run smoke -- --help/,
  ],
])('are wrong usage of %s when they are not right', (script, arg, message) => {
  const { stderr, stdout, status } = spawnSync(process.execPath, [script, arg], {
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  });
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/^ +at /m);
  expect(stdout).toBe('');
  expect(status).toBe(2);
});
