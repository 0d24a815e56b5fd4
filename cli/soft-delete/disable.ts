import { type Command, Option } from 'commander';
import { connect } from '../connect.ts';
import { styleText } from '../printable.ts';
import { note, printJson, say } from '../ui.ts';
import { asOwner, directTo } from './as-owner.ts';
import { callFor } from './call.ts';
import { disabled } from './documents.ts';

interface Options {
  deletedRows?: string;
  json?: true;
}

export function addDisable(group: Command): void {
  group
    .command('disable <table>')
    .description('take from a table what enable gave it; the history and the indexes stay')
    .addOption(
      new Option('--deleted-rows <fate>', 'what becomes of rows that are deleted now').choices([
        'keep',
        'restore',
      ]),
    )
    .option('--json', 'print it as JSON')
    .action(disable);
}

async function disable(relation: string, { deletedRows, json }: Options): Promise<void> {
  const { rpc, databaseUrl } = await connect();
  const caller = databaseUrl ? asOwner(directTo(databaseUrl)) : rpc;
  const args = { relation, ...(deletedRows && { deleted_rows: deletedRows }) };
  const document = await callFor(caller, 'disable_soft_delete', relation, args, disabled);
  if (json) {
    printJson(document);
    return;
  }
  say(`${document.relation}: soft delete is disabled`);
  for (const statement of document.done) say(`  ${styleText('cyan', statement)}`);
  note('The history stays, and so do the indexes and the retention policy.');
}
