import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Another version of a package than the one that is a dependency, and the manifest from which it resolves. It is downloaded
 * when it is first asked for: as dependencies they would cost everyone a hundred megabytes each, whether they ever test on
 * them or not.
 */
export async function otherVersion(name: string, version: string): Promise<string> {
  const folder = join(root, 'node_modules/.cache/nightshift', `${name}-${version}`);
  const manifest = join(folder, 'package.json');
  if (!existsSync(join(folder, 'node_modules', name))) {
    await mkdir(folder, { recursive: true });
    await writeFile(manifest, JSON.stringify({ private: true, dependencies: { [name]: version } }));
    await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund', '--prefix', folder]);
  }
  return manifest;
}
