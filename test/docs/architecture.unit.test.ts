import { existsSync, globSync } from 'node:fs';
import { dirname } from 'node:path/posix';
import { describe, expect, it } from 'vitest';
import { jobNames } from '../../functions/registry.ts';
import { readPage, root, rowsOf, sectionOf } from '../support/documents.ts';

const rows = rowsOf(sectionOf(readPage('docs/architecture.md'), 'Where things are'), 'Folder');
const quoted = (text = '') => [...text.matchAll(/`([^`]+)`/g)].map(([, each = '']) => each);
/** `functions/<job>/` is the folder of each job. */
const expanded = (folder: string) =>
  folder.includes('<job>') ? jobNames.map((job) => folder.replace('<job>', job)) : [folder];
const described = rows.map((row) => ({
  folders: quoted(row.Folder).flatMap(expanded),
  inside: quoted(row['What it holds']).filter((name) =>
    /^[a-z-]+(\.worker)?(\.\w+|\/)$/.test(name),
  ),
}));

describe('the table of folders', () => {
  const named = described.flatMap(({ folders }) => folders);

  it.each(named)('names %s, which is there with the files that it tells of', (folder) => {
    const { inside } = described.find(({ folders }) => folders.includes(folder)) ?? { inside: [] };
    const missing = ['', ...inside].filter((name) => !existsSync(root + folder + name));
    expect(missing).toEqual([]);
  });

  it('leaves out no folder', () => {
    // One row is enough for all that is below these.
    const whole = ['docs/', 'supabase/schema/', 'test/'];
    const top = globSync('*/', { cwd: root }).filter(
      (name) => !['node_modules', 'dist'].includes(name),
    );
    const files = top.flatMap((name) => globSync(`${name}/**/*.*`, { cwd: root }));
    const folders = new Set(files.map((path) => `${dirname(path.replaceAll('\\', '/'))}/`));
    const isNamed = (folder: string) =>
      named.includes(folder) || whole.some((other) => folder.startsWith(other));
    expect([...folders].filter((folder) => !isNamed(folder))).toEqual([]);
  });
});

describe('how to add something', () => {
  it('names only what is there', () => {
    const answers = readPage('docs/architecture.md').split('## How to add something')[1] ?? '';
    const paths = quoted(answers.split('\n## ')[0])
      .filter((text) => /^[a-z-]+\/[\w<>./-]+$/.test(text) && !text.includes('<version>'))
      .flatMap(expanded);
    expect(paths.length).toBeGreaterThan(8);
    expect(paths.filter((path) => !existsSync(root + path))).toEqual([]);
  });
});
