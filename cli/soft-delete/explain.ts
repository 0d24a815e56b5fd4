import { styleText } from '../printable.ts';
import { note, say } from '../ui.ts';
import { onCommandLine } from '../words.ts';

/** What a table lacks, or what is unsafe about it, with the statement that mends it, or its command. */
export function explain(level: 'missing' | 'advice', why: string, statement: string | null): void {
  say(`  ${styleText(level === 'missing' ? 'red' : 'yellow', level)}: ${why}`);
  if (statement === null) note('    Nothing that Nightshift executes mends it.');
  else say(`    ${styleText('cyan', onCommandLine(statement).replaceAll('\n', '\n    '))}`);
}
