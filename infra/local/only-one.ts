import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as z from 'zod';
import { NightshiftError } from '../../functions/_shared/errors.ts';

const holder = z.object({ pid: z.number().int().positive(), port: z.number() });

/**
 * Takes a checkout for one `npm start`: a second one would overwrite the settings and bundles of the first, and take them
 * away when it ends. Returns what gives the checkout back. What a killed one left behind is no hindrance.
 */
export function holdCheckout(lock: URL, self: z.output<typeof holder>): () => void {
  mkdirSync(new URL('.', lock), { recursive: true });
  if (!write(lock, self)) {
    const first = holder.safeParse(readJson(lock)).data;
    if (first && isAlive(first.pid)) throw alreadyRuns(first);
    rmSync(lock, { force: true });
    // Between the two, a third one may have taken it.
    if (!write(lock, self)) throw alreadyRuns(holder.safeParse(readJson(lock)).data);
  }
  return () => rmSync(lock, { force: true });
}

function write(lock: URL, self: object): boolean {
  try {
    writeFileSync(lock, JSON.stringify(self), { flag: 'wx' });
    return true;
  } catch (thrown) {
    if (codeOf(thrown) === 'EEXIST') return false;
    throw thrown;
  }
}

function readJson(lock: URL): unknown {
  try {
    return JSON.parse(readFileSync(lock, 'utf8'));
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    // Somebody else's process is one as well.
    return codeOf(thrown) === 'EPERM';
  }
}

const codeOf = (thrown: unknown) =>
  thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;

function alreadyRuns(first: z.output<typeof holder> | undefined): NightshiftError {
  const who = first ? `: process ${first.pid}, asked for port ${first.port}` : '';
  return new NightshiftError('NS409', `npm start runs in this checkout already${who}`, {
    hint: 'Use that one, end it with Ctrl-C in its terminal, or start in another checkout. If no such process runs, delete .esbuild/start.lock.',
  });
}
