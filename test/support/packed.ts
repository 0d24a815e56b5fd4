import { execFile } from 'node:child_process';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { copyCheckout } from './checkout.ts';
import { root } from './documents.ts';

export interface Packed {
  tarball: string;
  bytes: number;
  files: { path: string; mode: number }[];
}

/** What `npm pack` makes of a clone, in the given folder. */
export async function packInto(directory: string): Promise<Packed> {
  const checkout = join(directory, 'checkout');
  await copyCheckout(checkout);
  for (const file of ['LICENSE', 'README.md']) await cp(join(root, file), join(checkout, file));
  const { stdout } = await promisify(execFile)(
    'npm',
    ['pack', '--json', '--pack-destination', directory],
    { cwd: checkout },
  );
  // What prepack prints comes first.
  const [{ filename, size, files }] = JSON.parse(stdout.slice(stdout.indexOf('[\n')));
  return { tarball: join(directory, filename), bytes: size, files };
}
