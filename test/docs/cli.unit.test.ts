import { globSync } from 'node:fs';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { exitCodes } from '../../cli/exit-codes.ts';
import { pages, plain, readPage, root, rowsOf, sectionOf } from '../support/documents.ts';

/** The commands as they add themselves to a program, one module each. */
const program = new Command('nightshift');
for (const path of globSync('cli/commands/*.ts', { cwd: root })) {
  const module: Record<string, unknown> = await import(`${root}${path}`);
  for (const [name, add] of Object.entries(module)) {
    if (name.startsWith('add') && typeof add === 'function') add(program);
  }
}

interface Documented {
  heading: string;
  options: string[];
}

/** Also the commands of a command: `migrations copy`. */
function commandsOf(parent: Command, prefix = ''): Documented[] {
  return parent.commands.flatMap((command) => {
    const name = `${prefix}${command.name()}`;
    if (command.commands.length > 0) return commandsOf(command, `${name} `);
    const args = command.registeredArguments.map((argument) => {
      const shown = argument.name() + (argument.variadic ? '...' : '');
      return argument.required ? ` &lt;${shown}&gt;` : ` [${shown}]`;
    });
    return { heading: name + args.join(''), options: command.options.map(({ flags }) => flags) };
  });
}

const commands = commandsOf(program);
const page = readPage('docs/cli.md');

describe('docs/cli.md', () => {
  it('has a heading for each command, and no other', () => {
    const headings = [...page.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    expect(headings.sort()).toEqual(commands.map(({ heading }) => heading).sort());
  });

  it.each(commands)('has the options of $heading', ({ heading, options }) => {
    const rows = rowsOf(sectionOf(page, heading), 'Option');
    expect(rows.map((row) => plain(row.Option))).toEqual(options);
  });

  it('has each exit code', () => {
    const rows = rowsOf(page, 'Exit code');
    expect(rows.map((row) => Number(row['Exit code']))).toEqual(Object.values(exitCodes));
  });
});

describe.each(pages)('%s', (path) => {
  it('names no command and no option that there is not', () => {
    const calls = [
      ...readPage(path).matchAll(
        /(?:nightshift --|npx nightshift|image nightshift) ([a-z][^\n`|#;]*)/g,
      ),
    ];
    for (const [, call = ''] of calls) {
      const found = commands
        .filter(({ heading }) => `${call} `.startsWith(`${heading.replace(/ (&lt;|\[).*/, '')} `))
        .at(-1);
      expect(found, call).toBeDefined();
      const known = found?.options.map((flags) => flags.replace(/ .*/, ''));
      for (const [option] of call.matchAll(/--[a-z-]+/g)) expect(known, call).toContain(option);
    }
  });
});
