import { cp, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const sources = [
  'serverless.yml',
  'package.json',
  'tsconfig.json',
  'cli',
  'client',
  'functions',
  'infra',
  'supabase',
];

/** A copy of what runs and is deployed, for what leaves files in the checkout, where others would do the same. */
export async function copyCheckout(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await Promise.all(
    sources.map((path) => cp(join(root, path), join(directory, path), { recursive: true })),
  );
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
}
