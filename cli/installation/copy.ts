import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, isoTime } from '../../functions/_shared/clock.ts';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { oldMigrations } from './old-migrations.ts';
import { newestRelease } from './release.ts';

export interface Copied {
  file: string;
  /** False: it was there already. */
  written: boolean;
  /** Copies of what there was before the first release, which no longer belong there. */
  oldFiles: string[];
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
  const files = await readMigrations(folder);
  const oldFiles = files.filter((file) => oldMigrations.includes(file.slice(0, -'.sql'.length)));
  const name = withoutVersion(release.file);
  const there = files.find((file) => withoutVersion(file) === name);
  if (!there) {
    const file = `${nextVersion(files, clock)}_${name}`;
    await writeFile(join(folder, file), release.text, { flag: 'wx' });
    return { file, written: true, oldFiles };
  }
  if ((await readFile(join(folder, there), 'utf8')) !== release.text) {
    throw new NightshiftError(
      'NS409',
      `${there} is there, and is not ${release.version} as it is here`,
      {
        detail: 'Nothing was written.',
        hint: 'If it was never applied anywhere, delete it and copy again. Otherwise leave it as it is, and apply this one with: npm run nightshift -- migrate',
      },
    );
  }
  return { file: there, written: false, oldFiles };
}

async function readMigrations(folder: string): Promise<string[]> {
  const files = await readdir(folder).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code !== 'ENOENT' && thrown.code !== 'ENOTDIR') throw thrown;
    throw new NightshiftError('NS404', `There is no folder ${folder}`, {
      detail: 'Nothing was written.',
      hint: 'Name the folder of your own migrations: --to ../my-app/supabase/migrations. If there is none yet, run supabase init in your application, and make it.',
    });
  });
  return files.filter((file) => /^\d+_.*\.sql$/.test(file));
}

function withoutVersion(file: string): string {
  return file.slice(file.indexOf('_') + 1);
}

/** The time, as the Supabase CLI writes it; or what comes after the last version there is, if that is of a later time. */
export function nextVersion(files: string[], clock: Clock): string {
  const now = isoTime(clock.nowMs()).replace(/\D/g, '').slice(0, 14);
  const [last = ''] = files
    .map((file) => file.slice(0, file.indexOf('_')))
    .sort()
    .reverse();
  if (last < now) return now;
  return String(BigInt(last) + 1n).padStart(last.length, '0');
}
