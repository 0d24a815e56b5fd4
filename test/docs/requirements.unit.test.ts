import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readPage, rowsOf, sectionOf } from '../support/documents.ts';

const root = new URL('../../', import.meta.url);

const numbered = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${prefix}${n + 1}`);
/** How many there are below each number of a document. */
const grouped = (prefix: string, counts: readonly number[]) =>
  counts.flatMap((count, group) => numbered(`${prefix}${group + 1}.`, count));

it.each([
  ['Soft delete', [...grouped('FR', [4, 4, 4, 4, 4, 4, 4]), ...numbered('NFR', 20)]],
  ['Template', grouped('T', [4, 6, 3, 4, 2, 3, 4])],
  ['Guide', numbered('G', 15)],
  ['Deployment guide and improvement plan', [...numbered('D', 8), ...numbered('P', 8)]],
])(
  '%s has a row for everything that is asked for, with a test that is there or a reason',
  (section, expected) => {
    const rows = rowsOf(sectionOf(readPage('docs/requirements.md'), section), 'Asked for');
    expect(rows.map((row) => row['Asked for']?.split(' ')[0])).toEqual(expected);
    for (const row of rows) {
      const tests = [...(row.Test ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? '');
      for (const name of tests) expect(existsSync(new URL(name, root)), name).toBe(true);
      if (tests.length > 0) continue;
      expect(row['Met by'], row['Asked for']).toMatch(
        /^(Does not apply|Not |measured: `npm run bench)/,
      );
    }
  },
);
