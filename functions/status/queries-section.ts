import { timeMs } from '../_shared/clock.ts';
import { duration } from '../_shared/figures.ts';
import { html, type Markup } from '../_shared/markup.ts';
import { stateOfQuery } from '../health-check/rules.ts';
import type { KeyQuery } from '../health-check/schema.ts';
import { sparkline } from './charts.ts';
import type { Status } from './schema.ts';
import { heading, problemOf, tableOf } from './section.ts';
import { ago, state, type Tone } from './words.ts';

/** How long the key queries take, against what they may and usually do. */
export function queriesSection({ queries }: Status, nowMs: number): Markup | false {
  const { items } = queries;
  if (items.length === 0 && queries.problem === null) return false;
  return html`<section aria-labelledby="queries">
${heading('queries', 'Key queries', `${items.length} watched`)}
${problemOf(queries, 'Key queries')}
${tableOf(
  'Key queries',
  ['Query', 'State', 'Takes', 'May take', 'Usually', 'Measured', 'The last times'],
  items.map((query) => [
    html`<code>${query.name}</code>`,
    verdictOf(query),
    inMs(query.medianMs),
    duration(query.maxMs),
    inMs(query.usualMs),
    query.measuredAt === null ? 'never' : ago(query.measuredAt, nowMs),
    sparkline(
      query.points.map(({ at, medianMs }) => ({ atMs: timeMs(at), value: medianMs })),
      { title: `How long ${query.name} took, the last times`, width: 160, height: 28 },
    ),
  ]),
)}
</section>`;
}

const inMs = (ms: number | null) => (ms === null ? '–' : duration(ms));

const tones: Record<ReturnType<typeof stateOfQuery>, Tone> = {
  'could not run': 'bad',
  'not measured': 'quiet',
  'too slow': 'warn',
  'slower than usual': 'warn',
  'faster than usual': 'info',
  ok: 'good',
};

function verdictOf(query: KeyQuery): Markup {
  const word = stateOfQuery(query);
  return state(word, tones[word]);
}
