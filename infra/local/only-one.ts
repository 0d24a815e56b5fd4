import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { NightshiftError } from '../../functions/_shared/errors.ts';

const holder = z.object({ id: z.uuid(), pid: z.int().positive(), port: z.number() });
type Holder = z.output<typeof holder>;

/**
 * Takes a checkout for one `npm start`: a second one would overwrite the settings and bundles of the first, and take them
 * away when it ends. Returns what gives the checkout back. What a killed one left behind is no hindrance.
 *
 * Locks of proper-lockfile grow stale by time instead: a killed holder would keep the checkout for a while, one whose
 * machine slept would lose it, and neither could be named.
 */
export function holdCheckout(lock: URL, port: number): () => void {
  mkdirSync(new URL('.', lock), { recursive: true });
  const self = { id: randomUUID(), pid: process.pid, port };
  take(lock, self);
  return () => giveBack(lock, self);
}

function take(lock: URL, self: Holder): void {
  if (create(lock, self)) return;
  const first = read(lock);
  // One that cannot be read is being written, or was when its process ended.
  if (!first || isAlive(first.pid)) throw alreadyRuns(lock, first);
  // Of all who saw this dead holder, only who has the turn may remove its lock. It may be another's by then.
  const turn = new URL(`${lock.href}.${first.id}`);
  take(turn, self);
  try {
    if (read(lock)?.id === first.id) rmSync(lock);
    if (!create(lock, self)) throw alreadyRuns(lock, read(lock));
  } finally {
    giveBack(turn, self);
  }
}

function giveBack(lock: URL, self: Holder): void {
  if (read(lock)?.id === self.id) rmSync(lock);
}

function create(lock: URL, self: Holder): boolean {
  try {
    writeFileSync(lock, JSON.stringify(self), { flag: 'wx' });
    return true;
  } catch (thrown) {
    if (codeOf(thrown) === 'EEXIST') return false;
    throw thrown;
  }
}

function read(lock: URL): Holder | undefined {
  try {
    return holder.parse(JSON.parse(readFileSync(lock, 'utf8')));
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  // In a container the one before may have had the same number.
  if (pid === process.pid) return false;
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

function alreadyRuns(lock: URL, first: Holder | undefined): NightshiftError {
  const who = first ? `: process ${first.pid}, asked for port ${first.port}` : '';
  return new NightshiftError('NS409', `npm start runs in this checkout already${who}`, {
    hint: `Use that one, end it with Ctrl-C in its terminal, or start in another checkout. If no such process runs, delete ${fileURLToPath(lock)}.`,
  });
}
