import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, isoTime } from '../../functions/_shared/clock.ts';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { oldMigrations } from './old-migrations.ts';
import { here, nightshift, upgradeTo } from './origin.ts';
import {
  compareVersions,
  newestRelease,
  type Release,
  readRecord,
  releaseName,
} from './release.ts';

export interface Copied {
  file: string;
  /** False: it was there already. */
  written: boolean;
  /** Copies of what there was before the first release, which no longer belong there. */
  oldFiles: string[];
}

interface Migration {
  file: string;
  text: string;
  /** Of a copy of ours, whatever became of its name or of what was in it. */
  version: string | undefined;
}

/**
 * Writes the newest release into a folder of migrations of the application, as its last one: the Supabase CLI refuses a
 * version that comes before one which was applied, as the release's own would, copied weeks later.
 */
export async function copyRelease(
  folder: string,
  clock: Clock,
  { releases }: { releases?: string } = {},
): Promise<Copied> {
  const release = await newestRelease(releases);
  const migrations = await readMigrations(folder);
  const copy = findCopy(migrations, release, 'Nothing was written.');
  const files = migrations.map(({ file }) => file);
  const oldFiles = files.filter((file) => oldMigrations.includes(file.slice(0, -'.sql'.length)));
  if (copy) return { file: copy, written: false, oldFiles };
  const file = `${nextVersion(files, clock)}_${release.file.slice(release.file.indexOf('_') + 1)}`;
  await writeFile(join(folder, file), release.text, { flag: 'wx' });
  return { file, written: true, oldFiles };
}

/** The copy of the newest release in such a folder. Without one, what is missing and the fix are thrown. */
export async function requireCopy(
  folder: string,
  { releases }: { releases?: string } = {},
): Promise<{ file: string; version: string }> {
  const release = await newestRelease(releases);
  const migrations = await readMigrations(folder);
  const file = findCopy(migrations, release, 'Nothing was changed.');
  if (file) return { file, version: release.version };
  const [newest] = copiesIn(migrations);
  throw new NightshiftError(
    'NS409',
    newest
      ? `${newest.file} is ${newest.version}, and ${here} has ${release.version}`
      : `There is no migration of Nightshift in ${folder}`,
    { hint: `${nightshift} migrations copy --to ${folder}` },
  );
}

/** Known by what is in it, since whoever copied it may have given it another name. */
function findCopy(
  migrations: readonly Migration[],
  release: Release,
  detail: string,
): string | undefined {
  const [newest] = copiesIn(migrations);
  if (!newest) return undefined;
  const { file, version, text } = newest;
  const order = compareVersions(version, release.version);
  if (order < 0) return undefined;
  if (order > 0) {
    throw new NightshiftError(
      'NS409',
      `${file} is ${version}, which is newer than ${here} of ${release.version}`,
      { detail, hint: upgradeTo(version) },
    );
  }
  if (withoutReturns(text) !== withoutReturns(release.text)) {
    throw new NightshiftError('NS409', `${file} is there, and is not ${version} as it is here`, {
      detail,
      hint: `If it was never applied anywhere, delete it and copy again. Otherwise leave it as it is, and apply this one with: ${nightshift} migrate`,
    });
  }
  return file;
}

/** The newest first. */
function copiesIn(migrations: readonly Migration[]): (Migration & { version: string })[] {
  return migrations
    .flatMap((migration) => {
      const { version } = migration;
      return version === undefined ? [] : [{ ...migration, version }];
    })
    .sort((one, other) => compareVersions(other.version, one.version));
}

async function readMigrations(folder: string): Promise<Migration[]> {
  const files = await readdir(folder).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code !== 'ENOENT' && thrown.code !== 'ENOTDIR') throw thrown;
    throw new NightshiftError('NS404', `There is no folder ${folder}`, {
      detail: 'Nothing was written.',
      hint: 'Name the folder of your own migrations: --to ../my-app/supabase/migrations. If there is none yet, run supabase init in your application, and make it.',
    });
  });
  return Promise.all(
    files
      .filter((file) => /^\d+_.*\.sql$/.test(file))
      .map(async (file) => {
        const text = await readFile(join(folder, file), 'utf8');
        return { file, text, version: readRecord(text)?.version ?? versionInName(file) };
      }),
  );
}

function versionInName(file: string): string | undefined {
  const name = file.slice(file.indexOf('_') + 1, -'.sql'.length);
  return releaseName.test(name) ? name.split('_').slice(1).join('.') : undefined;
}

/** What Git may have changed on Windows. */
function withoutReturns(text: string): string {
  return text.replaceAll('\r\n', '\n');
}

/** The time, as the Supabase CLI writes it; or what comes after the last version there is, if that is of a later time. */
export function nextVersion(files: readonly string[], clock: Clock): string {
  const now = isoTime(clock.nowMs()).replace(/\D/g, '').slice(0, 14);
  const [last = ''] = files
    .map((file) => file.slice(0, file.indexOf('_')))
    .sort()
    .reverse();
  if (last < now) return now;
  return String(BigInt(last) + 1n).padStart(last.length, '0');
}
