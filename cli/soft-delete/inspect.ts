import type { Command } from 'commander';
import { connect } from '../connect.ts';
import { exitCodes } from '../exit-codes.ts';
import { nightshift } from '../installation/origin.ts';
import { names } from '../options.ts';
import { styleText } from '../printable.ts';
import { table } from '../table.ts';
import { printJson, say } from '../ui.ts';
import { quoted } from '../words.ts';
import { asOwner, directTo } from './as-owner.ts';
import { callFor } from './call.ts';
import { type Inspected, inspected } from './documents.ts';
import { explain } from './explain.ts';

export function addInspect(group: Command): void {
  group
    .command('inspect')
    .argument('[table...]', '', names)
    .description('show the tables with soft delete, what has drifted since, and what mends it')
    .option('--json', 'print it as JSON')
    .action(inspect);
}

async function inspect(tables: string[], { json }: { json?: true }): Promise<void> {
  const { rpc, databaseUrl } = await connect();
  const caller = databaseUrl ? asOwner(directTo(databaseUrl)) : rpc;
  const found: Inspected = [];
  if (tables.length === 0) found.push(...(await caller.call('inspect_soft_delete', {}, inspected)));
  for (const relation of tables) {
    found.push(
      ...(await callFor(caller, 'inspect_soft_delete', relation, { relation }, inspected)),
    );
  }
  if (json) printJson(found);
  else show(found);
  // For a pipeline: it is not what it was declared to be.
  if (found.some(({ missing }) => missing.length > 0)) process.exitCode = exitCodes.failed;
}

const yes = (is: boolean) => (is ? 'yes' : '-');

function show(found: Inspected): void {
  if (found.length === 0) {
    say(`No table has soft delete. To begin: ${nightshift} soft-delete enable public.orders`);
    return;
  }
  const rows = found.map((each) => [
    each.relation,
    Object.values(each.columns).join(', '),
    yes(each.views),
    yes(each.hide),
    yes(each.forUsers),
    each.cascade.join(', ') || '-',
    each.missing.length > 0 ? styleText('red', `${each.missing.length}`) : '-',
    each.advice.length > 0 ? styleText('yellow', `${each.advice.length}`) : '-',
  ]);
  console.log(
    table(
      ['table', 'columns', 'views', 'hide', 'users', 'cascade', 'missing', 'advice'],
      rows,
      [6, 7],
      ['columns', 'users', 'hide', 'views'],
    ),
  );
  for (const { relation, missing, advice } of found) {
    if (missing.length + advice.length === 0) continue;
    console.log(`\n${styleText('bold', relation)}`);
    for (const { statement, why } of missing) explain('missing', why, statement);
    if (missing.some(({ statement }) => statement !== null)) {
      say(`  All of it: ${nightshift} soft-delete enable ${quoted(relation)}`);
    }
    for (const { statement, why } of advice) explain('advice', why, statement);
  }
}
