import * as z from 'zod';
import { timeMs } from '../_shared/clock.ts';
import { duration } from '../_shared/figures.ts';
import { html, type Markup } from '../_shared/markup.ts';
import { sparkline } from './charts.ts';
import type { Room } from './room.ts';
import type { Status } from './schema.ts';
import { heading, more, tableOf } from './section.ts';
import { ago, many, state, type Tone } from './words.ts';

const ms = z.number().nullable();

/** As much of what describe_key_queries returns as is shown. */
const shownQueries = z.array(
  z.object({
    name: z.string(),
    maxMs: ms,
    measuredAt: z.string().nullable(),
    medianMs: ms,
    usualMs: ms,
    verdict: z.string().nullable(),
    since: z.string().nullable(),
    planChanged: z.boolean().nullable(),
    failure: z.string().nullable(),
    points: z.array(z.object({ at: z.string(), medianMs: ms })),
  }),
);
type Query = z.output<typeof shownQueries>[number];

/** How long the queries take that people wait for, against what is usual. */
export function keyQueriesSection(
  { keyQueries }: Status,
  nowMs: number,
  room: Room,
): Markup | false {
  const queries = shownQueries.safeParse(keyQueries).data ?? [];
  if (queries.length === 0) return false;
  const shown = queries.toSorted((one, other) => place(one) - place(other)).slice(0, room.findings);
  return html`<section aria-labelledby="queries">
${heading('queries', 'Key queries', many(queries.length, 'query', 'queries'))}
${tableOf(
  'Key queries',
  ['Query', 'State', 'Takes', 'Usually', 'May take', 'Measured', 'The last times'],
  shown.map((query) => [
    html`<code>${query.name}</code>`,
    stateOf(query, nowMs),
    inMs(query.medianMs),
    inMs(query.usualMs),
    inMs(query.maxMs),
    query.measuredAt === null ? 'never' : ago(query.measuredAt, nowMs),
    sparkline(
      query.points.map(({ at, medianMs }) => ({ atMs: timeMs(at), value: medianMs })),
      {
        title: `The last ${query.points.length} times of ${query.name}, the last of them ${inMs(query.medianMs)}`,
        width: 120,
        height: 26,
      },
    ),
  ]),
)}
${more({ items: queries, total: queries.length }, 'queries', shown.length)}
</section>`;
}

const tones: Record<string, Tone> = { slower: 'bad', faster: 'info', usual: 'good' };

const order = ['failed', 'too slow', 'slower'];

/** Worst first. */
function place(query: Query): number {
  const found = order.indexOf(wordOf(query));
  return found < 0 ? order.length : found;
}

function wordOf({ failure, medianMs, maxMs, verdict }: Query): string {
  if (failure !== null) return 'failed';
  if (maxMs !== null && medianMs !== null && medianMs > maxMs) return 'too slow';
  return verdict ?? 'not known yet';
}

function stateOf(query: Query, nowMs: number): Markup {
  const word = wordOf(query);
  const tone = word === 'failed' || word === 'too slow' ? 'bad' : (tones[word] ?? 'quiet');
  return html`${state(word, tone)} <span class="quiet">${query.failure !== null && query.failure}${query.since !== null && html` since ${ago(query.since, nowMs)}`}${query.planChanged === true && ', with another plan'}</span>`;
}

function inMs(value: number | null): string {
  return value === null ? '–' : duration(value);
}
