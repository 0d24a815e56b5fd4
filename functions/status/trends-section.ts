import { timeMs } from '../_shared/clock.ts';
import { bytes, count } from '../_shared/figures.ts';
import { html, type Markup } from '../_shared/markup.ts';
import { growthInWords, roomInWords, signedBytes } from '../_shared/trends-in-words.ts';
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
<p>${roomInWords(forecast)}</p>
<p class="quiet">${growthInWords(growth)}</p>
</div><figure>${chartOf(daily.days, daily.bytes, 'Size of the database, day by day')}
<figcaption>Size, day by day</figcaption>
<details><summary>Figures</summary>${tableOf(
    'Size of the database',
    ['Day', 'Highest size'],
    days.toReversed().map(([at, size]) => [day(at), shown(size, bytes)]),
  )}</details></figure></div>`;
}

function chartOf(days: readonly string[], values: readonly (number | null)[], title: string) {
  const points = days.map((at, n) => ({ atMs: timeMs(at), value: values[n] ?? null }));
  return sparkline(points, { title, width: 160, height: 32 });
}

const perWeek = (perDay: number | null) => shown(perDay, (value) => signedBytes(value * 7));

function shown(value: number | null | undefined, inWords: (value: number) => string): string {
  return value === null || value === undefined ? '–' : inWords(value);
}
