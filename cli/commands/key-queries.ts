import type { Command } from 'commander';
import { timeMs } from '../../functions/_shared/clock.ts';
import { stateOfQuery } from '../../functions/health-check/rules.ts';
import { type KeyQuery, keyQueries } from '../../functions/health-check/schema.ts';
import { connect } from '../connect.ts';
import { nightshift } from '../installation/origin.ts';
import { styleText } from '../printable.ts';
import { table } from '../table.ts';
import { duration, note, printJson, utc } from '../ui.ts';

export function addKeyQueries(program: Command): void {
  program
    .command('key-queries')
    .description('show how long the key queries take, against what they may and usually do')
    .option('--json', 'print it as JSON')
    .action(showKeyQueries);
}

async function showKeyQueries(options: { json?: true }): Promise<void> {
  const queries = await (await connect()).rpc.call('describe_key_queries', {}, keyQueries);
  if (options.json) {
    printJson(queries);
    return;
  }
  if (queries.length === 0) {
    console.log('No key query is declared.');
    note('nightshift.add_key_query(name, sql, max_ms) declares one.');
    return;
  }
  const rows = queries.map((query) => [
    query.name,
    query.medianMs === null ? '-' : duration(query.medianMs),
    duration(query.maxMs),
    query.minMs === null ? '-' : duration(query.minMs),
    query.usualMs === null ? '-' : duration(query.usualMs),
    query.measuredAt === null ? 'never' : utc(timeMs(query.measuredAt)),
    verdictOf(query),
  ]);
  const head = ['key query', 'takes', 'may take', 'fastest', 'usually', 'measured (UTC)', ''];
  console.log(table(head, rows, [1, 2, 3, 4], ['measured (UTC)']));
  note(`What to do about a slow one: ${nightshift} health key_queries slower_key_queries`);
}

const colours = {
  'could not run': 'magenta',
  'too slow': 'yellow',
  'slower than usual': 'yellow',
  'faster than usual': 'cyan',
  ok: 'green',
} as const;

function verdictOf(query: KeyQuery): string {
  const word = stateOfQuery(query);
  return word === 'not measured' ? '' : styleText(colours[word], word);
}
