import type { Command } from 'commander';
import type { Direct } from '../../functions/_shared/direct.ts';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import type { Functions, Rpc } from '../../functions/_shared/rpc.ts';
import { connect } from '../connect.ts';
import { nightshift } from '../installation/origin.ts';
import { names } from '../options.ts';
import { styleText } from '../printable.ts';
import { note, printJson, say } from '../ui.ts';
import { asOwner, directTo } from './as-owner.ts';
import { callFor } from './call.ts';
import { type DdlStep, type Enabled, enabled } from './documents.ts';
import { forEachTable } from './each-table.ts';
import { executeSteps } from './execute-steps.ts';
import { explain } from './explain.ts';

interface Options {
  marker?: string;
  flag?: string;
  by?: string;
  reason?: string;
  cascade?: string[];
  unique?: string[];
  activeIndex?: string[];
  guard?: true;
  realtime?: true;
  hide?: true;
  forUsers?: true;
  views: boolean;
  dropAfter?: string;
  dryRun?: true;
  json?: true;
}

export function addEnable(group: Command): void {
  group
    .command('enable')
    .argument('<table...>', '', names)
    .description(
      'give tables what soft delete needs, or bring them up to date; what is not said stays as it is',
    )
    .option('--marker <column>', 'when a row was deleted (default deleted_at)')
    .option('--flag <column>', 'a boolean beside it that is true in deleted rows')
    .option('--by <column>', 'who deleted it (default deleted_by)')
    .option('--reason <column>', 'why (default deletion_reason)')
    .option(
      '--cascade <table...>',
      'tables whose rows go along with the row that they refer to',
      names,
    )
    .option(
      '--unique <columns...>',
      "columns whose values can be used again once the row is deleted: 'tenant_id, sku'",
    )
    .option(
      '--active-index <columns...>',
      "columns by which active rows get an index of their own: 'customer_id, created_at'",
    )
    .option('--guard', 'let no row of --cascade be added to a deleted row, or pointed to it')
    .option('--realtime', 'tell subscribers of Supabase Realtime of each deletion and restore')
    .option('--hide', 'hide deleted rows from users by a restrictive policy')
    .option('--for-users', 'let users delete and restore, within row level security')
    .option('--no-views', 'without the views active_<table> and deleted_<table>')
    .option('--drop-after <interval>', "also purge deleted rows that are older: '30 days'")
    .option('--dry-run', 'only say what would be done')
    .option('--json', 'print it as JSON')
    .action(enable);
}

async function enable(tables: string[], options: Options): Promise<void> {
  if (options.cascade && tables.length > 1) {
    throw new NightshiftError('NS422', '--cascade is for one table at a time', {
      detail: 'Nothing was changed.',
      hint: `First those whose rows go along, then the table that they refer to: ${nightshift} soft-delete enable public.orders --cascade public.order_items`,
    });
  }
  const { rpc, databaseUrl } = await connect();
  const direct = databaseUrl ? directTo(databaseUrl) : undefined;
  const documents = await forEachTable(tables, async (table) => {
    const document = await enableTable(rpc, direct, table, options);
    if (!options.json) {
      show(document, options);
      for (const { statement, why } of document.advice) explain('advice', why, statement);
    }
    return document;
  });
  if (options.json) printJson(documents);
}

async function enableTable(
  rpc: Rpc,
  direct: Direct | undefined,
  table: string,
  options: Options,
): Promise<Enabled> {
  const args = argumentsOf(table, options);
  const caller = direct ? asOwner(direct) : rpc;
  const first = await callFor(caller, 'enable_soft_delete', table, args, enabled);
  if (!direct || options.dryRun || first.toDo.length === 0) return first;
  await executeSteps(direct, first.relation, first.toDo);
  // Whatever waited for them, and whatever is still missing.
  const second = await callFor(caller, 'enable_soft_delete', table, args, enabled);
  return { ...second, done: [...first.done, ...first.toDo, ...second.done] };
}

function argumentsOf(relation: string, options: Options): Functions['enable_soft_delete']['Args'] {
  const { marker, flag, by, reason, cascade, unique, activeIndex, guard } = options;
  const { hide, forUsers, views, dropAfter, realtime, dryRun } = options;
  return {
    relation,
    ...(marker && { marker_column: marker }),
    ...(flag && { flag_column: flag }),
    ...(by && { by_column: by }),
    ...(reason && { reason_column: reason }),
    ...(cascade && { cascade }),
    ...(unique && { unique_among_active: unique }),
    ...(activeIndex && { active_indexes: activeIndex }),
    ...(guard && { guard }),
    ...(realtime && { realtime }),
    ...(hide && { hide }),
    ...(forUsers && { for_users: forUsers }),
    ...(views ? {} : { views }),
    ...(dropAfter && { drop_after: dropAfter }),
    ...(dryRun && { dry_run: dryRun }),
  };
}

function show({ relation, done, toDo }: Enabled, { dryRun }: Options): void {
  if (dryRun && toDo.length === 0) say(`${relation}: it has all it needs`);
  else if (dryRun) say(`${relation}: this would be executed`);
  else if (done.length === 0 && toDo.length === 0)
    say(`${relation}: it is as you said, and nothing had to be executed`);
  else say(`${relation}: soft delete is enabled`);
  for (const step of done) showDone(step);
  if (done.length > 0) note('\n--dry-run says whole statements before, and --json afterwards.');
  if (toDo.length === 0) return;
  if (!dryRun) {
    say('\nLeft to do, one by one and outside of a transaction, in psql or the SQL editor:');
  }
  for (const step of toDo) showStep(step);
  if (dryRun) return;
  note('With NIGHTSHIFT_DATABASE_URL set, the same command executes them.');
}

/** What it was, and not all of its text, which nobody has to execute any more. */
function showDone({ statement, why, lock }: DdlStep): void {
  const [head = ''] = statement.split(/;| (?:before|after|with|as|where) /);
  say(`  ${styleText('cyan', head)}`);
  note(`    ${why} Lock: ${lock}`);
}

function showStep({ statement, why, lock }: DdlStep): void {
  console.log();
  say(`  ${styleText('cyan', statement.replaceAll('\n', '\n  '))}`);
  note(`  ${why}`);
  note(`  Lock: ${lock}`);
}
