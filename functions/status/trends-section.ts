import * as z from 'zod';
import { timeMs } from '../_shared/clock.ts';
import { bytes, count } from '../_shared/figures.ts';
import { html, type Markup } from '../_shared/markup.ts';
import { sparkline } from './charts.ts';
import type { Status } from './schema.ts';
import { heading, tableOf } from './section.ts';
import { day, many } from './words.ts';

const figures = z.array(z.number().nullable());
const growth = z.object({
  bytesPerDay7: z.number().nullable(),
  bytesPerDay28: z.number().nullable(),
});
const daily = z.object({ days: z.array(z.string()), bytes: figures });

/** As much of what describe_trends returns as is shown. */
const shownTrends = z.object({
  database: z.object({
    growth,
    forecast: z.object({
      state: z.string(),
      limitBytes: z.number().nullable(),
      limitKind: z.string().nullable(),
      usedPercent: z.number().nullable(),
      earliestDays: z.number().nullable(),
      latestDays: z.number().nullable(),
    }),
    daily,
  }),
  tables: z.array(z.object({ table: z.string(), growth, daily })),
});
type Trends = z.output<typeof shownTrends>;
type Growth = z.output<typeof growth>;

/** How the database and its largest tables grow, and for how long there is room. */
export function trendsSection({ trends }: Status): Markup | false {
  const { data } = shownTrends.safeParse(trends);
  if (!data) return false;
  const { database, tables } = data;
  return html`<section aria-labelledby="trends">
${heading('trends', 'Trends', forecastInWords(database.forecast))}
<div class="beside"><div>
<p>The database ${growthInWords(database.growth)}. ${roomInWords(database.forecast)}</p>
</div>${chart('the database', database.daily)}</div>
${
  tables.length > 0 &&
  tableOf(
    'Growth of tables',
    ['Table', 'Size', 'In a day, by 7 days', 'By 28 days', 'Size, day by day'],
    tables.map(({ table, growth: by, daily: points }) => [
      html`<code>${table}</code>`,
      inBytes(points.bytes.at(-1)),
      perDay(by.bytesPerDay7),
      perDay(by.bytesPerDay28),
      line(table, points),
    ]),
  )
}
</section>`;
}

function forecastInWords({ state, earliestDays }: Trends['database']['forecast']): string {
  if (state === 'growing' && earliestDays !== null)
    return `full in ${many(earliestDays, 'day')} at the earliest`;
  return state === 'no limit' || state === 'no history' ? '' : state;
}

function roomInWords({
  state,
  limitBytes,
  limitKind,
  usedPercent,
  earliestDays,
  latestDays,
}: Trends['database']['forecast']): string {
  if (limitBytes === null) return 'Nothing is foretold, since nobody has said what it may grow to.';
  const used = `${usedPercent === null ? '' : `${count(usedPercent)}% `}of ${bytes(limitBytes)} (${limitKind}) is used`;
  if (state === 'no history') return `${used}; there is not enough history for a forecast.`;
  if (state !== 'growing' || earliestDays === null) return `${used}.`;
  const range =
    latestDays === null
      ? `${count(earliestDays)} days or more`
      : `${count(earliestDays)} to ${count(latestDays)} days`;
  return `${used}. In a straight line it is full in ${range}.`;
}

function growthInWords({ bytesPerDay7, bytesPerDay28 }: Growth): string {
  if (bytesPerDay7 === null || bytesPerDay28 === null)
    return 'has not been watched for long enough to say how it grows';
  return `grows by ${perDay(bytesPerDay7)} a day over 7 days, and by ${perDay(bytesPerDay28)} over 28`;
}

function perDay(value: number | null): string {
  if (value === null) return 'not known';
  return `${value < 0 ? '−' : ''}${bytes(Math.abs(value))}`;
}

function inBytes(value: number | null | undefined): string {
  return value === null || value === undefined ? 'not known' : bytes(value);
}

function line(of: string, { days, bytes: sizes }: z.output<typeof daily>): Markup {
  const points = days.map((at, n) => ({ atMs: timeMs(at), value: sizes[n] ?? null }));
  const title = `Size of ${of} from ${days[0]} to ${days.at(-1)}: ${inBytes(sizes[0])} to ${inBytes(sizes.at(-1))}`;
  return sparkline(points, { title, width: 160, height: 30 });
}

function chart(of: string, points: z.output<typeof daily>): Markup | false {
  if (points.days.length < 2) return false;
  const rows = points.days.map((at, n): [Markup, string] => [day(at), inBytes(points.bytes[n])]);
  return html`<figure>${line(of, points)}<figcaption>Size, day by day</figcaption><details><summary>Figures</summary>${tableOf(
    `Size of ${of}`,
    ['Day', 'Size'],
    rows.slice(-14).toReversed(),
  )}</details></figure>`;
}
