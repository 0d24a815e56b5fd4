import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './origin.ts';

const releasesFolder = fileURLToPath(new URL('supabase/migrations/', root));

/** One file of `supabase/migrations`. It brings any earlier release to this one, so the newest is all that has to be applied. */
export interface Release {
  file: string;
  version: string;
  checksum: string;
  text: string;
}

/** The name of a release's file behind its timestamp, whoever set that. */
export const releaseName = /^nightshift_\d+_\d+_\d+$/;

export async function newestRelease(folder = releasesFolder): Promise<Release> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql'));
  const releases = await Promise.all(files.map((file) => readRelease(folder, file)));
  const [newest] = releases.sort((one, other) => compareVersions(other.version, one.version));
  if (!newest) throw new Error(`There is no release in ${folder}.`);
  return newest;
}

async function readRelease(folder: string, file: string): Promise<Release> {
  const text = await readFile(join(folder, file), 'utf8');
  const record = readRecord(text);
  if (!record) {
    throw new Error(`${file} is no release of Nightshift: it does not write itself down.`);
  }
  return { file, text, ...record };
}

/** The last statement of a release writes down its version and the checksum of all before it. */
export function readRecord(text: string): Pick<Release, 'version' | 'checksum'> | undefined {
  const record = /insert into nightshift\.migrations \(.+?\) values \('([^']+)', '([^']+)'/.exec(
    text,
  );
  const [, version, checksum] = record ?? [];
  return version && checksum ? { version, checksum } : undefined;
}

export function compareVersions(one: string, other: string): number {
  return one.localeCompare(other, 'en', { numeric: true });
}
