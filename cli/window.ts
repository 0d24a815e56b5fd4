import { stripVTControlCharacters } from 'node:util';

/** How wide the window is. A pipe has no end, nor has a terminal of no size; who reads it may say how wide it is with COLUMNS. */
export function windowColumns(): number {
  return process.stdout.columns || Number(process.env.COLUMNS) || Number.POSITIVE_INFINITY;
}

/** What may be long, in lines that fit the window, whichever it has already. */
export function inWindow(text: string): string {
  return text.replace(/^( *)(.+)$/gm, (_, indent: string, line: string) => {
    const columns = windowColumns() - indent.length - 2;
    return indent + broken(line, columns).join(`\n${indent}  `);
  });
}

/** Lines of at most so many columns, broken where SQL may be: outside of quotes, and never in a word. */
export function broken(text: string, columns: number): string[] {
  if (stripVTControlCharacters(text).length <= columns) return [text];
  const lines: string[] = [];
  let line = '';
  for (const [word] of text.matchAll(/(?:'[^']*'|"[^"]*"|\S)+/g)) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line === '' || stripVTControlCharacters(longer).length <= columns) {
      line = longer;
    } else {
      lines.push(line);
      line = word;
    }
  }
  return [...lines, line];
}
