import { expect, it } from 'vitest';
import { readPage, rowsOf } from '../support/documents.ts';

it('compares in docs/supabase-guide.md what is tested, and all of that', () => {
  const rows = rowsOf(readPage('docs/supabase-guide.md'), 'What goes wrong');
  const tests = readPage('test/soft-delete/comparison.test.ts').matchAll(/^ {2}it\('([^']+)'/gm);
  expect(rows.map((row) => row['What goes wrong'])).toEqual([...tests].map(([, name]) => name));
  for (const row of rows) expect(Object.values(row).every((cell) => cell !== '')).toBe(true);
});
