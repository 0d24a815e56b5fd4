import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../functions/_shared/clock.ts';
import { copyRelease, nextVersion } from '../installation/copy.ts';
import { broken } from '../window.ts';
import type { Proposal } from './proposal.ts';

/** The ids of what earlier files propose, or say was declined. */
const marker = /^-- nightshift init(?:, declined)?: (.+?)\r?$/gm;

const head = `Proposed by nightshift init, from the tables as they were on the day of this file's version.
Nothing in here deletes, refreshes or makes anything: policies are declared switched off, and what would change a table or
needs an index first is a comment. To arm a policy, execute its line "Arm", or put that into a migration of its own. What is
to be built concurrently is executed by itself, outside of a transaction.
The next init goes by the lines "nightshift init: ..." of all files. Keep such a line where you take away what is below it.`;

export interface Written {
  file: string;
  written: boolean;
}

/** Which proposals the migrations of a folder know already. A folder that is not there knows none. */
export async function knownIn(folder: string): Promise<Set<string>> {
  const files = await migrationsIn(folder);
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  return new Set(texts.flatMap((text) => [...text.matchAll(marker)].map(([, id = '']) => id)));
}

/** Writes the release, unless it is there, and after it the proposals. */
export async function writeMigrations(
  folder: string,
  { taken, declined }: { taken: readonly Proposal[]; declined: readonly Proposal[] },
  clock: Clock,
): Promise<Written[]> {
  await mkdir(folder, { recursive: true });
  const { file, written } = await copyRelease(folder, clock);
  const release = { file: join(folder, file), written };
  if (taken.length + declined.length === 0) return [release];
  const own = join(
    folder,
    `${nextVersion(await migrationsIn(folder), clock)}_nightshift_policies.sql`,
  );
  await writeFile(own, textOf(taken, declined), { flag: 'wx' });
  return [release, { file: own, written: true }];
}

async function migrationsIn(folder: string): Promise<string[]> {
  const files = await readdir(folder).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code !== 'ENOENT') throw thrown;
    return [];
  });
  return files.filter((file) => /^\d+_.*\.sql$/.test(file));
}

export function textOf(taken: readonly Proposal[], declined: readonly Proposal[]): string {
  const blocks = [
    head.split('\n').map((line) => `-- ${line}`),
    ...taken.map(blockOf),
    ...(declined.length === 0
      ? []
      : [declined.map(({ id }) => `-- nightshift init, declined: ${id}`)]),
  ];
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function blockOf({ id, says, prepare, statement, commented, arm }: Proposal): string[] {
  return [
    `-- nightshift init: ${id}`,
    ...says.flatMap(comment),
    ...prepare.flatMap(({ statement, why, lock }) => [
      ...comment(`First: ${why} Lock: ${lock}.`),
      ...asComment(statement),
    ]),
    ...(statement === null ? [] : commented ? asComment(statement) : [statement]),
    ...(arm === null ? [] : commented ? asComment(arm) : asComment(`Arm: ${arm}`)),
  ];
}

/** Sentences, in lines that can be read. */
function comment(text: string): string[] {
  return asComment(broken(text, 117).join('\n'));
}

/** Whatever is in a name: a line break would end a comment, and begin a statement. */
function asComment(text: string): string[] {
  return text.split(/\r\n|\r|\n/).map((line) => `-- ${line}`);
}
