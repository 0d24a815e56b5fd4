import type { Command } from 'commander';
import {
  type Forecast,
  type TableTrend,
  type Trends,
  trends as trendsDocument,
} from '../../functions/_shared/trends.ts';
import {
  growthInWords,
  roomInWords,
  signedBytes,
} from '../../functions/_shared/trends-in-words.ts';
import { connect } from '../connect.ts';
import { styleText } from '../printable.ts';
import { bars } from '../sparkline.ts';
import { table } from '../table.ts';
import { bytes, count, duration, heading, note, printJson, say } from '../ui.ts';
import { windowColumns } from '../window.ts';

export function addTrends(program: Command): void {
  program
    .command('trends')
    .description(
      'show how sizes, rows and durations have developed, how fast they grow, and until when there is room',
    )
    .option('--table <name>', 'show this table alone, named with its schema')
    .option('--json', 'print it as JSON')
    .action(trends);
}

async function trends(options: { table?: string; json?: true }): Promise<void> {
  const { rpc } = await connect();
  const args = options.table === undefined ? {} : { only_table: options.table };
  const document = await rpc.call('describe_trends', args, trendsDocument);
  if (options.json) printJson(document);
  else showTrends(document, options.table !== undefined);
}

function showTrends(document: Trends, onlyTable: boolean): void {
  const [first] = document.tables;
  if (onlyTable && first) showTable(first);
  else if (document.since === null) {
    say('Nothing is noted yet. The health check does so each time it runs.');
  } else {
    showDatabase(document.database);
    showTables(document.tables);
    showJobs(document.jobs);
  }
}

/** In a pipe there is no end to a line, but for a picture there is. */
const chartColumns = () => Math.min(windowColumns() - 4, 120);
const chartLines = 6;
const columnsInTable = 28;

function showChart(days: string[], values: (number | null)[], inWords: (value: number) => string) {
  const known = values.filter((value) => value !== null);
  const [lowest, highest] = [Math.min(...known), Math.max(...known)];
  const period = `${days[0]} to ${days.at(-1)} (UTC)`;
  if (lowest === highest) {
    note(`  ${period}: ${inWords(lowest)} on each day that is known`);
    return;
  }
  for (const line of bars(values, chartColumns(), chartLines)) console.log(`  ${line.trimEnd()}`);
  note(`  ${period}, the highest of each day: ${inWords(lowest)} to ${inWords(highest)}`);
}

function showDatabase({ daily, growth, forecast }: Trends['database']): void {
  heading(`Database: ${bytes(daily.bytes.at(-1) ?? 0)}`);
  showChart(daily.days, daily.bytes, bytes);
  say(growthInWords(growth));
  showRoom(forecast);
  const connections = daily.connections.filter((value) => value !== null);
  if (connections.length > 0) {
    say(
      `Connections: at most ${count(connections.at(-1) ?? 0)} on the last day, ${count(Math.max(...connections))} in all this time.`,
    );
  }
}

const colours: Partial<Record<Forecast['state'], 'red' | 'yellow'>> = {
  full: 'red',
  growing: 'yellow',
};

function showRoom(forecast: Forecast): void {
  const colour = colours[forecast.state];
  const words = roomInWords(forecast);
  say(colour ? styleText(colour, words) : words);
}

function showTables(tables: TableTrend[]): void {
  if (tables.length === 0) return;
  heading('The largest tables');
  const rows = tables.map(({ table, growth, rowsLeftSince, daily }) => [
    table,
    bytes(daily.bytes.at(-1) ?? 0),
    perWeek(growth.bytesPerDay7),
    perWeek(growth.bytesPerDay28),
    shown(daily.deadRows.at(-1), count),
    shown(daily.rowsLeft.at(-1), count) + (rowsLeftSince ? ` since ${rowsLeftSince}` : ''),
    bars(daily.bytes, columnsInTable)[0] ?? '',
  ]);
  const head = [
    'table',
    'size',
    'a week (of 7 days)',
    'a week (of 28)',
    'dead rows',
    'left by purges',
    'size by day',
  ];
  const expendable = ['left by purges', 'dead rows', 'size by day', 'a week (of 28)'];
  console.log(table(head, rows, [1, 2, 3, 4], expendable));
}

function showTable({ table, daily, growth, rowsLeftSince }: TableTrend): void {
  heading(`${table}: ${bytes(daily.bytes.at(-1) ?? 0)}`);
  showChart(daily.days, daily.bytes, bytes);
  say(growthInWords(growth));
  const figures = [
    ['About so many rows', daily.liveRows],
    ['Dead rows', daily.deadRows],
    ['Left by purges', daily.rowsLeft],
  ] as const;
  for (const [title, values] of figures) {
    if (values.every((value) => value === null)) continue;
    heading(`${title}: ${shown(values.at(-1), count)}`);
    showChart(daily.days, values, count);
    if (values === daily.rowsLeft && rowsLeftSince) {
      say(`Every purge since ${rowsLeftSince} has left some.`);
    }
  }
}

function showJobs(jobs: Trends['jobs']): void {
  if (jobs.length === 0) return;
  heading('How long the jobs take');
  const rows = jobs.map(({ job, lastMs, usualMs, slowerSince, daily }) => [
    job,
    duration(lastMs),
    shown(usualMs, duration),
    slowerSince ? styleText('yellow', `more than twice the usual since ${slowerSince}`) : '-',
    bars(daily.durationMs, columnsInTable)[0] ?? '',
  ]);
  const head = ['job', 'last', 'usually', 'slower', 'by day'];
  console.log(table(head, rows, [1, 2], ['by day', 'usually']));
}

const perWeek = (perDay: number | null) => shown(perDay, (value) => signedBytes(value * 7));

function shown(value: number | null | undefined, inWords: (value: number) => string): string {
  return value === null || value === undefined ? '-' : inWords(value);
}
