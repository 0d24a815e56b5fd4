import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { version } from '../../functions/_shared/version.ts';
import { here, isClone, root, upgradeTo } from './origin.ts';
import { compareVersions } from './release.ts';

type Files = ReadonlyMap<string, string>;

/** What a copy writes down about itself: the checksum of each file as it was written. */
const recordFile = 'nightshift.json';
const recordOf = z.object({
  version: z.string(),
  // Within the folder: what is no more in a release is removed.
  files: z.record(z.string().regex(/^(?!\/)(?!.*\.\.)/), z.string()),
});
type Wrote = z.output<typeof recordOf>;

const ownFolder =
  'Name a folder of its own, which need not be there yet: --to ../my-app/nightshift';

/** Where the parameters of a team are, and what it installs besides: changes there are expected, and stay. */
const ofTheTeam = ['serverless.yml', 'package.json'];

export interface CopiedDeployment {
  written: string[];
  removed: string[];
  /** Files that the team changed, each with the file beside it that has what changed since. */
  toMerge: { file: string; ours: string }[];
}

/**
 * Writes the deployment of this release into a folder of its own, in place of an older copy. Nothing that anyone else wrote
 * or changed is replaced: it is kept where that can be expected, and otherwise refused before anything is written.
 */
export async function copyDeployment(folder: string): Promise<CopiedDeployment> {
  const files = await deploymentFiles();
  const record = await readRecord(folder);
  const present = await readPresent(folder, [...files.keys(), ...Object.keys(record.files)]);
  const changed = changedIn(present, record, files);
  const kept = changed.filter((path) => ofTheTeam.includes(path) && path in record.files);
  refuse(
    folder,
    record,
    changed.filter((path) => !kept.includes(path)),
  );
  const copied: CopiedDeployment = { written: [], removed: [], toMerge: [] };
  for (const [path, text] of files) {
    if (kept.includes(path)) {
      if (record.files[path] === checksumOf(text)) continue;
      const ours = path.replace(/(?=\.\w+$)/, `.${version}`);
      await writeFile(join(folder, ours), text);
      copied.toMerge.push({ file: path, ours });
    } else if (!isSame(present.get(path), text)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
      copied.written.push(path);
    }
  }
  for (const path of present.keys()) {
    if (files.has(path)) continue;
    await rm(join(folder, path));
    copied.removed.push(path);
  }
  // Last, so that a copy that broke off is completed by the next one.
  await writeRecord(folder, files);
  return copied;
}

/** What is there, and neither as an older copy wrote it nor as this one will. */
function changedIn(present: Files, record: Wrote, files: Files): string[] {
  return [...present].flatMap(([path, text]) =>
    checksumOf(text) === record.files[path] || isSame(files.get(path), text) ? [] : [path],
  );
}

function isSame(one: string | undefined, other: string): boolean {
  return one !== undefined && checksumOf(one) === checksumOf(other);
}

async function deploymentFiles(): Promise<Files> {
  if (isClone) {
    const made = await import('../../infra/package/deployment.ts');
    return made.deploymentFiles();
  }
  const folder = fileURLToPath(new URL('dist/deployment/', root));
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(folder, join(parentPath, name)));
  return readPresent(
    folder,
    paths.map((path) => path.replaceAll(sep, '/')),
  );
}

/** Those of the files that are there. */
async function readPresent(folder: string, paths: readonly string[]): Promise<Map<string, string>> {
  const texts = await Promise.all(
    [...new Set(paths)].map(async (path) => ({
      path,
      text: await readIfThere(join(folder, path)),
    })),
  );
  return new Map(
    texts.flatMap(({ path, text }): [string, string][] =>
      text === undefined ? [] : [[path, text]],
    ),
  );
}

function readIfThere(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return undefined;
    if (thrown.code !== 'ENOTDIR') throw thrown;
    throw new NightshiftError('NS404', `${dirname(file)} is no folder`, {
      detail: 'Nothing was written.',
      hint: ownFolder,
    });
  });
}

async function readRecord(folder: string): Promise<Wrote> {
  const text = await readIfThere(join(folder, recordFile));
  if (text === undefined) return { version, files: {} };
  const record = parseRecord(text);
  if (!record) {
    throw new NightshiftError('NS422', `${join(folder, recordFile)} is not as a copy wrote it`, {
      detail: 'It says which files are of Nightshift. Nothing was written.',
      hint: 'Bring it back from your repository, or copy into an empty folder.',
    });
  }
  if (compareVersions(record.version, version) > 0) {
    throw new NightshiftError(
      'NS409',
      `${folder} has the deployment of ${record.version}, which is newer than ${here} of ${version}`,
      { detail: 'Nothing was written.', hint: upgradeTo(record.version) },
    );
  }
  return record;
}

function parseRecord(text: string): Wrote | undefined {
  try {
    return recordOf.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function refuse(folder: string, record: Wrote, changed: readonly string[]): void {
  const [first] = changed;
  if (first === undefined) return;
  const detail = `${changed.join(', ')}. Nothing was written.`;
  throw Object.keys(record.files).length === 0
    ? new NightshiftError('NS409', `${folder} has files that no copy of Nightshift has written`, {
        detail,
        hint: ownFolder,
      })
    : new NightshiftError('NS409', `Files in ${folder} were changed since they were copied`, {
        detail,
        hint: `Delete each of them to get it as it is in ${version}. To change more than serverless.yml and package.json, deploy from a clone.`,
      });
}

function writeRecord(folder: string, files: Files): Promise<void> {
  const checksums = [...files].map(([path, text]) => [path, checksumOf(text)]);
  const record: Wrote = { version, files: Object.fromEntries(checksums) };
  return writeFile(join(folder, recordFile), `${JSON.stringify(record, null, 2)}\n`);
}

/** Of the text without what Git may have changed on Windows. */
function checksumOf(text: string): string {
  return createHash('sha256').update(text.replaceAll('\r\n', '\n')).digest('hex');
}
