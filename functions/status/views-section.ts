import { age, duration } from '../_shared/figures.ts';
import { html, type Markup } from '../_shared/markup.ts';
import { dependencyGraph, type GraphNode } from './charts.ts';
import type { Room } from './room.ts';
import type { Status, StatusView } from './schema.ts';
import { heading, more, problemOf, tableOf } from './section.ts';
import { ago, shapeOf, state, type Tone } from './words.ts';

const tones: Record<StatusView['state'], Tone> = {
  stale: 'bad',
  unknown: 'warn',
  gone: 'warn',
  fresh: 'good',
  off: 'quiet',
};

/** With more it is a tangle that nobody reads. */
const mostInGraph = 30;

export function viewsSection({ views }: Status, nowMs: number, room: Room): Markup | false {
  const { items } = views;
  if (items.length === 0 && views.problem === null) return false;
  const shown = items.slice(0, room.views);
  return html`<section aria-labelledby="views">
${heading('views', 'Views', summaryOf(items))}
${problemOf(views, 'Views')}
${graphOf(items)}
${tableOf(
  'Materialized views',
  ['View', 'State', 'Age of its data', 'May be', 'Refreshed', 'Usually takes', 'Reads'],
  shown.map((view) => [
    html`<code>${view.view}</code>`,
    state(view.state, tones[view.state]),
    view.ageSeconds === null ? 'not known' : age(view.ageSeconds),
    age(view.budgetSeconds),
    view.refreshedAt === null ? 'never' : ago(view.refreshedAt, nowMs),
    view.usualDurationMs === null ? '–' : duration(view.usualDurationMs),
    readsOf(view),
  ]),
)}
${more(views, 'views', shown.length)}
</section>`;
}

function summaryOf(views: readonly StatusView[]): string {
  const late = views.filter(({ state: word }) => word === 'stale').length;
  return late > 0 ? `${late} of ${views.length} older than allowed` : `${views.length} watched`;
}

function readsOf({ reads, readsTotal }: StatusView): string {
  const left = readsTotal - Math.min(reads.length, 4);
  return [...reads.slice(0, 4), ...(left > 0 ? [`and ${left} more`] : [])].join(', ') || '–';
}

function graphOf(views: readonly StatusView[]): Markup | false {
  const names = new Set(views.map(({ view }) => view));
  const tables = [...new Set(views.flatMap(({ reads }) => reads))].filter(
    (name) => !names.has(name),
  );
  if (views.length === 0 || views.length + tables.length > mostInGraph) return false;
  const nodes: GraphNode[] = [
    ...tables.map((name) => ({
      id: name,
      label: name,
      tone: 'table',
      shape: '',
      reads: [],
      title: name,
    })),
    ...views.map((view) => ({
      id: view.view,
      label: view.view,
      tone: tones[view.state],
      shape: shapeOf(tones[view.state]),
      reads: view.reads,
      title: `${view.view}: ${view.state}${view.ageSeconds === null ? '' : `, ${age(view.ageSeconds)} old, may be ${age(view.budgetSeconds)}`}`,
    })),
  ];
  const title =
    'Which views read which tables and views, from left to right; the table below says the same';
  return html`<div class="wide" role="region" aria-label="Dependencies of views" tabindex="0">${dependencyGraph(nodes, title)}</div>`;
}
