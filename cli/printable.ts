import { randomInt } from 'node:crypto';
import * as util from 'node:util';

/** In each style of ours. Nobody can know it, so that nothing that is in a name or a message is taken for one. */
const mark = Array.from({ length: 3 }, () => randomInt(1_000, 10_000)).join(';');

const ownStyle = new RegExp(`\\u001b\\[(\\d+);${mark}m`, 'g');
const ownStyleOrControl = new RegExp(
  `${ownStyle.source}|(?![\\n\\t])[\\p{Cc}\\p{Zl}\\p{Zp}\\p{Bidi_Control}]`,
  'gu',
);

/** Shows what a terminal would obey instead of printing it: control characters, and what turns the direction of text. */
function printable(text: string): string {
  return text.replace(ownStyleOrControl, (found) => (found.length > 1 ? found : escaped(found)));
}

/** The same for what has a line of its own, or a cell of a table. */
export function printableLine(text: string): string {
  return printable(text).replace(/[\n\t]/g, escaped);
}

/** As JSON has it, so that a document is the same document. */
function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

export function styleText(style: Parameters<typeof util.styleText>[0], text: string): string {
  return markStyles(util.styleText(style, printable(text)));
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
const anyStyle = /\u001b\[(\d+)m/g;

/** Of a text in which nothing but styles is left that is not printable. */
export function markStyles(text: string): string {
  return text.replace(anyStyle, `\u001b[$1;${mark}m`);
}

/** From here on the process prints nothing that a terminal obeys, but for the styles of ours. */
export function printOnlyText(): void {
  for (const method of ['log', 'error'] as const) {
    const print = console[method].bind(console);
    console[method] = (...texts: string[]) =>
      print(...texts.map((text) => printable(text).replace(ownStyle, '\u001b[$1m')));
  }
}
