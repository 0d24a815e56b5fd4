import { stripVTControlCharacters } from 'node:util';
import Table from 'cli-table3';
import { markStyles, printableLine, styleText } from './printable.ts';
import { inWindow, windowColumns } from './window.ts';

/** Below this a table has no use. */
const narrowestTable = 60;

const padding = 2;

/**
 * A table that fits the window without cutting a word: wide columns wrap, and where that is not enough `expendable` ones
 * go, the first of them first. Where it would still not fit, and in a very narrow window, a row becomes a block.
 */
export function table(
  head: string[],
  cells: string[][],
  rightAligned: number[],
  expendable: string[] = [],
): string {
  const rows = cells.map((row) => row.map(printableLine));
  const windowWidth = windowColumns();
  const all = head.map((_, column) => column);
  for (let gone = 0; windowWidth >= narrowestTable && gone <= expendable.length; gone += 1) {
    const left = all.filter((column) => !expendable.slice(0, gone).includes(head[column] ?? ''));
    const only = (row: string[]) => left.map((column) => row[column] ?? '');
    const widths = columnWidths([head, ...rows].map(only), windowWidth);
    if (!widths) continue;
    const view = new Table({
      head: only(head).map((text) => styleText('bold', text)),
      style: { head: [], border: [], compact: true },
      colAligns: left.map((column) => (rightAligned.includes(column) ? 'right' : 'left')),
      colWidths: widths,
      wordWrap: true,
    });
    view.push(...rows.map(only));
    // It closes and opens styles anew where a cell has several lines.
    return markStyles(view.toString());
  }
  return rows.map((row) => block(head, row)).join('\n');
}

function block(head: string[], [first = '', ...rest]: string[]): string {
  const lines = rest.map((text, n) => `  ${head[n + 1]}: ${text}`);
  return inWindow([`${head[0]}: ${first}`, ...lines].join('\n'));
}

/** As wide as the texts are; in a narrow window the widest columns give way, down to their longest word. */
function columnWidths(rows: string[][], windowWidth: number): number[] | undefined {
  const lengthOf = (column: number, pieces: RegExp) =>
    padding +
    Math.max(
      ...rows.flatMap((row) =>
        stripVTControlCharacters(row[column] ?? '')
          .split(pieces)
          .map((piece) => piece.length),
      ),
    );
  const columns = (rows[0] ?? []).map((_, column) => column);
  const widths = columns.map((column) => lengthOf(column, /\n/));
  const narrowest = columns.map((column) => lengthOf(column, /\s+/));
  const borders = columns.length + 1;
  for (;;) {
    const excess = widths.reduce((sum, width) => sum + width, borders) - windowWidth;
    if (excess <= 0) return widths;
    const [widest] = columns
      .filter((column) => (widths[column] ?? 0) > (narrowest[column] ?? 0))
      .toSorted((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0));
    if (widest === undefined) return undefined;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}
