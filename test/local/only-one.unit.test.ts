import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { holdCheckout } from '../../infra/local/only-one.ts';

let folder: string;
let lock: URL;
const others: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nightshift-lock-'));
  mkdirSync(join(folder, '.esbuild'));
  lock = lockNamed('start.lock');
});
afterEach(async () => {
  for (const other of others.splice(0)) await kill(other);
  rmSync(folder, { recursive: true });
});

const lockNamed = (name: string) => pathToFileURL(join(folder, '.esbuild', name));

async function kill(child: ChildProcess) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** Another process, which takes the locks that it is told to, and says what became of each. */
async function startOther(): Promise<ChildProcess> {
  const source = `
    import { holdCheckout } from ${JSON.stringify(import.meta.resolve('../../infra/local/only-one.ts'))};
    process.on('message', (lock) => {
      let answer = 'holds it';
      try { holdCheckout(new URL(lock), 4000); } catch (thrown) { answer = thrown.message; }
      process.send(answer);
    });
    process.send('ready');`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  others.push(child);
  await once(child, 'message');
  return child;
}

async function tell(child: ChildProcess, lock: URL): Promise<unknown> {
  child.send(lock.href);
  const [answer] = await once(child, 'message');
  return answer;
}

const leftBehind = () =>
  JSON.stringify({ id: crypto.randomUUID(), pid: spawnSync('true').pid, port: 3000 });

it('lets one npm start have a checkout, and names it to the next, which leaves it alone', async () => {
  const first = await startOther();
  expect(await tell(first, lock)).toBe('holds it');
  const content = readFileSync(lock, 'utf8');
  expect(() => holdCheckout(lock, 3000)).toThrowError(
    expect.objectContaining({
      code: 'NS409',
      message: `npm start runs in this checkout already: process ${first.pid}, asked for port 4000`,
      hint: expect.stringContaining('Ctrl-C'),
    }),
  );
  expect(readFileSync(lock, 'utf8')).toBe(content);
});

it('gives it back', () => {
  const release = holdCheckout(lock, 3000);
  expect(existsSync(lock)).toBe(true);
  release();
  expect(existsSync(lock)).toBe(false);
});

it('gives back only what it holds, and not what somebody else took when its lock was deleted', async () => {
  const release = holdCheckout(lock, 3000);
  rmSync(lock);
  expect(await tell(await startOther(), lock)).toBe('holds it');
  release();
  expect(existsSync(lock)).toBe(true);
});

it('takes it over from one that was killed', async () => {
  const first = await startOther();
  await tell(first, lock);
  await kill(first);
  holdCheckout(lock, 3000)();
  expect(readdirSync(join(folder, '.esbuild'))).toEqual([]);
});

it('takes it over from one of its own number, as there may be in a container', () => {
  writeFileSync(lock, JSON.stringify({ ...JSON.parse(leftBehind()), pid: process.pid }));
  holdCheckout(lock, 3000)();
});

it('takes it over where one that wanted to was killed over it', () => {
  const first = leftBehind();
  writeFileSync(lock, first);
  writeFileSync(lockNamed(`start.lock.${JSON.parse(first).id}`), leftBehind());
  holdCheckout(lock, 3000)();
  expect(readdirSync(join(folder, '.esbuild'))).toEqual([]);
});

it.each(['', '{"pid":', '{}', 'null'])(
  'takes a file like %j, which may be half written, for nobody else’s to remove',
  (content) => {
    writeFileSync(lock, content);
    expect(() => holdCheckout(lock, 3000)).toThrowError(
      expect.objectContaining({
        code: 'NS409',
        hint: expect.stringMatching(
          /If no such process runs, delete \/.*\.esbuild\/start\.lock\.$/,
        ),
      }),
    );
    expect(readFileSync(lock, 'utf8')).toBe(content);
  },
);

it('is given to exactly one of several that find it left behind at once', async () => {
  const starting = await Promise.all(Array.from({ length: 4 }, startOther));
  for (let round = 0; round < 100; round++) {
    const contested = lockNamed(`${round}.lock`);
    writeFileSync(contested, leftBehind());
    const answers = await Promise.all(starting.map((child) => tell(child, contested)));
    expect(answers.filter((answer) => answer === 'holds it')).toHaveLength(1);
    expect(starting.map(({ pid }) => pid)).toContain(
      JSON.parse(readFileSync(contested, 'utf8')).pid,
    );
  }
});
