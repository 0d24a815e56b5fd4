import { timeMs } from '../_shared/clock.ts';
import { bytes, count, many } from '../_shared/figures.ts';
import { html, type Markup } from '../_shared/markup.ts';
import { timeLine } from './charts.ts';
import type { Room } from './room.ts';
import type { Status, StatusPartitions } from './schema.ts';
import { heading, more, problemOf } from './section.ts';
import { state, type Tone, time } from './words.ts';

/** As many as can be told apart in a row. */
const mostPartitions = 60;
const mostDrops = 3;
const dayMs = 86_400_000;

export function partitionsSection(
  { partitions }: Status,
  nowMs: number,
  room: Room,
): Markup | false {
  if (partitions.items.length === 0 && partitions.problem === null) return false;
  const shown = partitions.items.slice(0, room.partitionedTables);
  return html`<section aria-labelledby="partitions">
${heading('partitions', 'Partitions', many(partitions.total ?? shown.length, 'table'))}
${problemOf(partitions, 'Partitions')}
${shown.map((table) => tableInTime(table, nowMs))}
${more(partitions, 'tables', shown.length)}
</section>`;
}

function tableInTime(table: StatusPartitions, nowMs: number): Markup {
  const { interval, retention, horizon, nextDrops, nextDropsTotal, defaultPartitionRows } = table;
  const spans = table.partitions
    .flatMap(({ name, from, to, state: word }) =>
      from === null || to === null ? [] : [{ name, from, to, isRetired: word === 'retired' }],
    )
    .slice(-mostPartitions);
  const drops = nextDrops.slice(0, mostDrops);
  const [word, tone] = stateOf(table, nowMs);
  return html`<article class="finding ${tone}">
<h3>${state(word, tone)} <code>${table.table}</code></h3>
${table.problem !== null && html`<p class="notice warn">${table.problem}</p>`}
${
  spans.length > 0 &&
  timeLine(spans, {
    title: `${many(table.partitionsTotal, 'partition')} of ${table.table} in time; the words below say the same`,
    nowMs,
    horizon,
  })
}
<dl>
<dt>Partitions</dt><dd>${count(table.partitionsTotal)}, each of ${interval}; ${retention === null ? 'kept for ever' : `kept for ${retention}`}</dd>
<dt>Room until</dt><dd>${table.endless ? 'for ever: the last has no end' : horizon === null ? 'there is none for now' : time(horizon, nowMs)}</dd>
<dt>Next drops</dt><dd>${
    drops.length === 0
      ? 'none'
      : html`<ul>${drops.map(({ name, dropsAt, sizeBytes }) => html`<li><code>${name}</code> (${bytes(sizeBytes)}) ${time(dropsAt, nowMs)}</li>`)}</ul>${nextDropsTotal > drops.length && html`and ${count(nextDropsTotal - drops.length)} more`}`
  }</dd>
${
  defaultPartitionRows !== null &&
  html`<dt>In the default</dt><dd>${count(defaultPartitionRows)}${defaultPartitionRows >= 10_000 && ' or more'} rows</dd>`
}
</dl>
</article>`;
}

function stateOf(
  { enabled, problem, endless, horizon, defaultPartitionRows }: StatusPartitions,
  nowMs: number,
): [string, Tone] {
  if (problem !== null) return ['does not fit', 'warn'];
  if (!enabled) return ['off', 'quiet'];
  if (!endless && (horizon === null || timeMs(horizon) < nowMs)) return ['no room', 'bad'];
  if (!endless && horizon !== null && timeMs(horizon) < nowMs + dayMs)
    return ['little room', 'warn'];
  if ((defaultPartitionRows ?? 0) > 0) return ['rows astray', 'warn'];
  return ['room ahead', 'good'];
}
