import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';

const document = await readFile(new URL('../../docs/threat-model.md', import.meta.url), 'utf8');
const lines = document
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '').trim()))
  .filter(([who]) => who !== 'Who');

/** `folder/file.test.ts`: "a title", "another title of that file"; `another/file.test.ts`: ... */
function proofsOf(cell: string): { file: string; title: string }[] {
  let file = '';
  return [...cell.matchAll(/`([^`]+)`|"([^"]+)"/g)].flatMap(([, path, title]) => {
    file = path ?? file;
    return title ? [{ file, title }] : [];
  });
}

describe('docs/threat-model.md', () => {
  it.each(lines.map(([who, attempt, , proof = '']) => [`${who}: ${attempt}`, proof]))(
    '%s',
    async (_, proof) => {
      const proofs = proofsOf(proof);
      expect(proofs.length).toBeGreaterThan(0);
      for (const { file, title } of proofs) {
        const path = new URL(`../${file}`, import.meta.url);
        expect(file !== '' && existsSync(path), `there is a file ${file}`).toBe(true);
        // Whole, and in the words of the source: a title that is made of values is not known before it runs.
        const source = (await readFile(path, 'utf8')).replaceAll("\\'", "'");
        const quoted = ["'", '"', '`'].some((quote) => source.includes(quote + title + quote));
        expect(quoted, `${file} has a test: ${title}`).toBe(true);
      }
    },
  );
});
