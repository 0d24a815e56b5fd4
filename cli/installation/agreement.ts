import { NightshiftError } from '../../functions/_shared/errors.ts';
import type { Rpc } from '../../functions/_shared/rpc.ts';
import { installation } from './installed.ts';
import { here, nightshift, upgradeTo } from './origin.ts';
import { compareVersions, newestRelease } from './release.ts';

export const migrateFirst = `${nightshift} migrate --database-url ..., then deploy`;

/**
 * Refuses a schema that this command line does not know: an older one, or one of a later line. Within a line, migrations
 * only add, so that whoever upgrades the database first loses no night.
 */
export async function requireAgreement(rpc: Rpc): Promise<void> {
  const { release } = await rpc.call('describe_installation', {}, installation);
  const { version: ours } = await newestRelease();
  const theirs = release?.version;
  if (theirs !== undefined && compareVersions(theirs, ours) >= 0) {
    if (lineOf(theirs) === lineOf(ours)) return;
    throw new NightshiftError(
      'NS409',
      `The database has ${theirs}, which is too new for ${here} of ${ours}`,
      { detail: 'Nothing was run.', hint: upgradeTo(theirs) },
    );
  }
  throw new NightshiftError(
    'NS409',
    theirs === undefined
      ? `The schema in the database is from before 0.1.0, or broke off while it was made; ${here} is ${ours}`
      : `The database has ${theirs}, and ${here} ${ours}`,
    { detail: 'Nothing was run.', hint: migrateFirst },
  );
}

/** What may break begins another line: the first number of a version, or the second while that is 0. */
export function lineOf(version: string): string {
  const [major = '', minor = ''] = version.split('.');
  return major === '0' ? `0.${minor}` : major;
}
