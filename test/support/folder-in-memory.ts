import { existsSync, readFileSync, statfsSync } from 'node:fs';

const folder = '/dev/shm';
const mounts = '/proc/mounts';

/** What all the servers of a run have written at its height, and as much again. */
const neededBytes = 8 * 2 ** 30;

/**
 * Where Linux keeps files in memory, when there is room and programs may be run from there. Databases are made and dropped
 * by the hundred, and on a disk the files of each cost more than what the tests do with it.
 */
export function folderInMemory(): string | undefined {
  if (!existsSync(mounts) || !existsSync(folder)) return undefined;
  const mount = readFileSync(mounts, 'utf8')
    .split('\n')
    .find((line) => line.split(' ')[1] === folder);
  const { bavail, bsize } = statfsSync(folder);
  return mount && !/\bnoexec\b/.test(mount) && bavail * bsize > neededBytes ? folder : undefined;
}
