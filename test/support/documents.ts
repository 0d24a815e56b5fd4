import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));

/** Every page of the documentation, by its path in the repository. */
export const pages: readonly string[] = globSync(['*.md', 'docs/**/*.md', 'supabase/**/*.md'], {
  cwd: root,
})
  .map((path) => path.replaceAll('\\', '/'))
  .sort();

export const readPage = (path: string): string => readFileSync(`${root}${path}`, 'utf8');

/** A code block between fences, such as those of the language `sql`. */
export function codeBlocks(markdown: string, language: string): string[] {
  const blocks = markdown.matchAll(/^( *)```(\w+)\n([\s\S]*?)^\1```$/gm);
  return [...blocks].filter(([, , of]) => of === language).map(([, , , code = '']) => code);
}

export const withoutCode = (markdown: string): string =>
  markdown.replace(/^( *)```[\s\S]*?^\1```$/gm, '').replace(/`[^`\n]*`/g, '');

/** The text below a heading, up to the next one of any level. */
export function sectionOf(markdown: string, heading: string): string {
  const lines = markdown.split('\n');
  const start = lines.findIndex(
    (line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading,
  );
  if (start < 0) throw new Error(`There is no heading "${heading}"`);
  const length = lines.slice(start + 1).findIndex((line) => /^#+ /.test(line));
  return lines.slice(start + 1, length < 0 ? undefined : start + 1 + length).join('\n');
}

/** The rows of the tables in a text whose first column has this name, each by the names of its columns. */
export function rowsOf(markdown: string, firstColumn: string): Record<string, string>[] {
  return [...markdown.matchAll(/(?:^\|.*\n?)+/gm)].flatMap(([table]) => {
    const [head = [], , ...rows] = table
      .trim()
      .split('\n')
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    if (head[0] !== firstColumn) return [];
    return rows.map((cells) => Object.fromEntries(head.map((name, n) => [name, cells[n] ?? ''])));
  });
}

/** A cell without its backquotes. */
export const plain = (cell = ''): string => cell.replaceAll('`', '');
