import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { errorCodes, ownErrorCode } from '../../functions/_shared/error-codes.ts';
import { readPage, root } from '../support/documents.ts';

const table = 'functions/_shared/error-codes.ts';
const page = 'docs/errors.md';
const known = Object.keys(errorCodes);

/** The codes in files that match, each with the first file that has it. */
function codesIn(...patterns: string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const file of globSync(patterns, { cwd: root }).toSorted()) {
    if (file === table) continue;
    for (const [code] of readFileSync(`${root}${file}`, 'utf8').matchAll(/\bNS\d{3}\b/g)) {
      if (!found.has(code)) found.set(code, file);
    }
  }
  return found;
}

describe('the table of error codes', () => {
  it('has every code that is in use, or named in the docs', () => {
    const used = codesIn(
      '{functions,infra,cli}/**/*.{ts,yml}',
      'supabase/**/*.sql',
      'docs/**/*.md',
      'README.md',
    );
    expect(used.size).toBeGreaterThan(10);
    expect([...used].filter(([code]) => !known.includes(code))).toEqual([]);
  });

  it('has no code that nothing uses', () => {
    const used = codesIn('{functions,infra,cli}/**/*.ts', 'supabase/schema/**/*.sql');
    expect(known.filter((code) => !used.has(code))).toEqual([]);
  });

  it('gives a code its own digits as HTTP status, unless it never leaves the database', () => {
    for (const code of known) {
      const status = ownErrorCode(code)?.httpStatus;
      if (status !== null) expect(`NS${status}`).toBe(code);
    }
  });
});

describe(page, () => {
  it('has the table as it is (vitest -u writes it)', async () => {
    const rows = known.map((code) => {
      const { meaning, httpStatus, stopsRun, retryable } = ownErrorCode(code) ?? {};
      const cells = [
        code,
        meaning,
        httpStatus ?? '-',
        stopsRun ? 'yes' : '',
        retryable ? 'yes' : '',
      ];
      return `| ${cells.join(' | ')} |`;
    });
    const updated = readPage(page).replace(
      /(\|---.*\n)(\| NS.*\n)*/,
      (_, line: string) => `${line}${rows.join('\n')}\n`,
    );
    await expect(updated).toMatchFileSnapshot(root + page);
  });
});
