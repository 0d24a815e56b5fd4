import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readPage, rowsOf, sectionOf } from '../support/documents.ts';

const root = new URL('../../', import.meta.url);

/** How many there are below each number of the source document. */
const functional = [4, 4, 4, 4, 4, 4, 4];
const nonFunctional = 20;

it('has a row for every requirement on soft deletes, with a test that is there or a reason', () => {
  const rows = rowsOf(sectionOf(readPage('docs/requirements.md'), 'Soft delete'), 'Asked for');
  const expected = [
    ...functional.flatMap((count, group) =>
      Array.from({ length: count }, (_, n) => `FR${group + 1}.${n + 1}`),
    ),
    ...Array.from({ length: nonFunctional }, (_, n) => `NFR${n + 1}`),
  ];
  expect(rows.map((row) => row['Asked for']?.split(' ')[0])).toEqual(expected);
  for (const row of rows) {
    const tests = [...(row.Test ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? '');
    for (const name of tests) expect(existsSync(new URL(name, root)), name).toBe(true);
    if (tests.length > 0) continue;
    expect(row['Met by'], row['Asked for']).toMatch(
      /^(Does not apply|Not |measured: `npm run bench)/,
    );
  }
});
