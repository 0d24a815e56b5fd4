import { timeMs } from '../_shared/clock.ts';
import { bytes, count } from '../_shared/figures.ts';
import { html, type Markup } from '../_shared/markup.ts';
import type { Forecast, Growth } from '../_shared/trends.ts';
import { sparkline } from './charts.ts';
import type { Status } from './schema.ts';
import { heading, problemOf, tableOf } from './section.ts';
import { day } from './words.ts';

type Trends = Status['trends'];

/** How the database and its largest tables have grown, and until when there is room. */
export function trendsSection({ trends }: Status): Markup | false {
  const { items, database } = trends;
  if (trends.problem === null && (database === null || database.daily.days.length === 0)) {
    return false;
  }
  return html`<section aria-labelledby="trends">
${heading('trends', 'Trends', database === null ? '' : bytes(database.daily.bytes.at(-1) ?? 0))}
${problemOf(trends, 'Trends')}
${database !== null && databaseOf(database)}
${
  items.length > 0 &&
  tableOf(
    'The largest tables',
    ['Table', 'Size', 'A week (of 7 days)', 'A week (of 28)', 'Dead rows', 'Size by day'],
    items.map(({ table, daily, growth }) => [
      html`<code>${table}</code>`,
      bytes(daily.bytes.at(-1) ?? 0),
      perWeek(growth.bytesPerDay7),
      perWeek(growth.bytesPerDay28),
      shown(daily.deadRows.at(-1), count),
      chartOf(daily.days, daily.bytes, `Size of ${table}, day by day`),
    ]),
  )
}
</section>`;
}

function databaseOf({ growth, forecast, daily }: NonNullable<Trends['database']>): Markup {
  const days = daily.days.map((at, n) => [at, daily.bytes[n] ?? null] as const).slice(-14);
  return html`<div class="beside"><div>
<p>${roomOf(forecast)}</p>
<p class="quiet">${growthOf(growth)}</p>
</div><figure>${chartOf(daily.days, daily.bytes, 'Size of the database, day by day')}
<figcaption>Size, day by day</figcaption>
<details><summary>Figures</summary>${tableOf(
    'Size of the database',
    ['Day', 'Highest size'],
    days.toReversed().map(([at, size]) => [day(at), shown(size, bytes)]),
  )}</details></figure></div>`;
}

function roomOf(forecast: Forecast): string {
  const { state, limitBytes, limitKind, usedPercent, earliestDays, latestDays } = forecast;
  if (limitKind === null) {
    return 'How much room there is, is not known: size_limit_bytes and size_limit_kind in nightshift.settings say it.';
  }
  const used = `${usedPercent}% of ${bytes(limitBytes ?? 0)} ${limits[limitKind]} are used`;
  if (state === 'full') return `There is no room: ${used}.`;
  if (state === 'room') return `${used}; nothing is foretold below 60%.`;
  if (state === 'not growing') return `${used}, and for a year it does not get full.`;
  if (state === 'no history') return `${used}; nothing is foretold from fewer than 14 whole days.`;
  const days =
    latestDays === null
      ? `in ${earliestDays} days, or not within a year`
      : earliestDays === latestDays
        ? `in ${latestDays} days`
        : `in ${earliestDays} to ${latestDays} days`;
  return `${used}; in a straight line, full ${days}.`;
}

const limits = {
  database: 'for the database',
  disk: 'of the disk, the write-ahead log included,',
  plan: 'of the plan',
};

function growthOf({ points, stepOn, stepBytes, bytesPerDay7, bytesPerDay28 }: Growth): string {
  const step =
    stepOn !== null && stepBytes !== null
      ? `It went to another level on ${stepOn}: ${signed(stepBytes)}. `
      : '';
  if (bytesPerDay28 === null) {
    return `${step}Growth is not known yet, after ${points} of the 14 whole days that it takes.`;
  }
  return `${step}Growth a week: ${perWeek(bytesPerDay7)} by the last 7 days, ${perWeek(bytesPerDay28)} by the last 28.`;
}

function chartOf(days: readonly string[], values: readonly (number | null)[], title: string) {
  const points = days.map((at, n) => ({ atMs: timeMs(at), value: values[n] ?? null }));
  return sparkline(points, { title, width: 160, height: 32 });
}

const perWeek = (perDay: number | null) => shown(perDay, (value) => signed(value * 7));

function shown(value: number | null | undefined, inWords: (value: number) => string): string {
  return value === null || value === undefined ? '–' : inWords(value);
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${bytes(Math.abs(value))}`;
}
