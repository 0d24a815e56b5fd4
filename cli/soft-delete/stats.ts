import type { Command } from 'commander';
import { connect } from '../connect.ts';
import { nightshift } from '../installation/origin.ts';
import { names } from '../options.ts';
import { table } from '../table.ts';
import { bytes, count, heading, note, printJson, say } from '../ui.ts';
import { callFor } from './call.ts';
import { type DeletionStats, deletionStats, inspected, type RowCount } from './documents.ts';
import { forEachTable } from './each-table.ts';

export function addStats(group: Command): void {
  group
    .command('stats')
    .argument('[table...]', '', names)
    .description('show how many rows are deleted, by day, what came back, and what is due')
    .option('--json', 'print it as JSON')
    .action(stats);
}

type TableStats = { relation: string } & DeletionStats;

async function stats(named: string[], { json }: { json?: true }): Promise<void> {
  const { rpc } = await connect();
  const tables =
    named.length > 0
      ? named
      : (await rpc.call('inspect_soft_delete', {}, inspected)).map(({ relation }) => relation);
  const documents = await forEachTable(
    tables,
    async (relation): Promise<TableStats> => ({
      relation,
      ...(await callFor(rpc, 'deletion_stats', relation, { relation }, deletionStats)),
    }),
  );
  if (json) printJson(documents);
  else show(documents.filter((each) => 'active' in each));
}

function show(all: TableStats[]): void {
  if (all.length === 0) {
    say(`No table has soft delete. To begin: ${nightshift} soft-delete enable public.orders`);
    return;
  }
  const rows = all.map((each) => [
    each.relation,
    inWords(each.active),
    inWords(each.deleted),
    aDay(each),
    each.restoreRate === null ? '-' : percent.format(each.restoreRate),
    each.dueNext7Days === null ? '-' : inWords(each.dueNext7Days),
    bytes(each.bytes),
  ]);
  const head = ['table', 'active', 'deleted', 'a day', 'came back', 'due in 7 days', 'size'];
  console.log(table(head, rows, [1, 2, 3, 4, 5, 6], ['size', 'came back', 'a day']));
  note('A day, and what came back of it: in the last 30 days, by the history.');
  if (all.some(({ dueNext7Days }) => dueNext7Days === null)) {
    note('Nothing is due without a retention policy: soft-delete enable with --drop-after.');
  }
  if (all.some(({ active, deleted, dueNext7Days }) => !isExact(active, deleted, dueNext7Days))) {
    note('~ is estimated, since it is more than 100,000.');
  }
  const [only, ...others] = all;
  if (only && others.length === 0) showDays(only);
}

const percent = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 1 });

const inWords = ({ rows, exact }: RowCount) => count(rows, exact);

const isExact = (...counts: (RowCount | null)[]) => counts.every((each) => each?.exact ?? true);

function aDay({ byDay }: DeletionStats): string {
  const deleted = byDay.reduce((sum, day) => sum + day.deleted, 0) / Math.max(byDay.length, 1);
  if (deleted > 0 && deleted < 0.05) return '<0.1';
  return count(deleted < 10 ? Math.round(deleted * 10) / 10 : Math.round(deleted));
}

function showDays({ byDay, oldestDeletedAt }: TableStats): void {
  if (oldestDeletedAt !== null) {
    say(`The row that was deleted first: ${oldestDeletedAt.slice(0, 10)}`);
  }
  const days = byDay.filter(({ deleted, restored }) => deleted + restored > 0);
  if (days.length === 0) return;
  heading('By day (UTC)');
  const rows = days.map(({ day, deleted, restored }) => [day, count(deleted), count(restored)]);
  console.log(table(['day', 'deleted', 'restored'], rows, [1, 2]));
}
