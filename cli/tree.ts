import { printableLine } from './printable.ts';
import { broken, windowColumns } from './window.ts';

/** A line with others below it. */
export class Tree {
  readonly #text: string;
  readonly #below: Tree[] = [];

  constructor(text: string) {
    this.#text = printableLine(text);
  }

  add(tree: Tree): void {
    this.#below.push(tree);
  }

  /** In lines that fit the window. What is too long goes on below, beside what hangs there. */
  toString(): string {
    return this.#lines('', '').join('\n');
  }

  #lines(head: string, rest: string): string[] {
    const under = this.#below.length > 0 ? '│ ' : '  ';
    const columns = windowColumns() - rest.length - under.length;
    const own = broken(this.#text, columns).map(
      (line, n) => (n === 0 ? head : rest + under) + line,
    );
    const below = this.#below.flatMap((tree, n) => {
      const isLast = n === this.#below.length - 1;
      const [branch, beside] = isLast ? ['└── ', '    '] : ['├── ', '│   '];
      return tree.#lines(rest + branch, rest + beside);
    });
    return [...own, ...below];
  }
}
