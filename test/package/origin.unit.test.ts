import { globSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { root } from '../support/documents.ts';

/** What only a clone has, and what speaks of npm itself. */
const mayNameIt = ['cli/command-line.ts', 'cli/installation/origin.ts', 'cli/smoke/trials.ts'];

it('is told as it was called: no command names the command line of a clone', () => {
  const named = globSync('cli/**/*.ts', { cwd: root })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) =>
      /^(?!\s*[/*]).*npm run nightshift --/m.test(readFileSync(root + path, 'utf8')),
    );
  expect(named.sort(), 'take nightshift from cli/installation/origin.ts').toEqual(mayNameIt);
});
