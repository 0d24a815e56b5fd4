import { scaleLinear, scaleUtc } from 'd3-scale';
import { area, line, linkHorizontal } from 'd3-shape';
import { timeMs } from '../_shared/clock.ts';
import { html, type Markup } from '../_shared/markup.ts';

export interface Point {
  atMs: number;
  /** Null: not measured, so the line has a gap. */
  value: number | null;
}

/** More would not be seen in so little room. */
const mostPoints = 120;

/** A line over time that begins at zero. What it shows stands in words and in a table beside it. */
export function sparkline(
  points: readonly Point[],
  { title, width = 220, height = 44 }: { title: string; width?: number; height?: number },
): Markup {
  const shown = points.slice(-mostPoints);
  const known = shown.flatMap(({ value }) => (value === null ? [] : [value]));
  const first = shown[0];
  const last = shown.at(-1);
  if (known.length < 2 || !first || !last) return html``;
  const x = scaleUtc([first.atMs, last.atMs], [2, width - 4]);
  const y = scaleLinear([0, Math.max(...known, 1)], [height - 3, 3]);
  const isKnown = ({ value }: Point) => value !== null;
  const path = line<Point>(
    ({ atMs }) => round(x(atMs)),
    ({ value }) => round(y(value ?? 0)),
  ).defined(isKnown);
  const surface = area<Point>(
    ({ atMs }) => round(x(atMs)),
    height - 3,
    ({ value }) => round(y(value ?? 0)),
  ).defined(isKnown);
  const end = last.value === null ? undefined : { x: round(x(last.atMs)), y: round(y(last.value)) };
  return html`<svg class="spark" role="img" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"><title>${title}</title><path class="area" d="${surface(shown) ?? ''}"/><path class="line" d="${path(shown) ?? ''}"/>${
    end && html`<circle class="dot" cx="${end.x}" cy="${end.y}" r="2.5"/>`
  }</svg>`;
}

export interface Span {
  name: string;
  from: string;
  to: string;
  isRetired: boolean;
}

/** Partitions beside each other in time, with now and the end of those that follow each other. */
export function timeLine(
  spans: readonly Span[],
  { title, nowMs, horizon }: { title: string; nowMs: number; horizon: string | null },
): Markup {
  const width = 460;
  const height = 62;
  const times = [...spans.flatMap(({ from, to }) => [timeMs(from), timeMs(to)]), nowMs];
  const x = scaleUtc([Math.min(...times), Math.max(...times)], [6, width - 6]);
  // One at the edge would be cut.
  const ticks = x.ticks(4).filter((tick) => x(tick) > 20 && x(tick) < width - 20);
  const format = x.tickFormat(4);
  const ends = horizon === null ? undefined : x(timeMs(horizon));
  return html`<svg class="timeline" role="img" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"><title>${title}</title>${spans.map(
    ({ name, from, to, isRetired }) => {
      const left = round(x(timeMs(from)));
      const wide = Math.max(round(x(timeMs(to)) - left - 1), 1);
      return html`<rect class="${isRetired ? 'retired' : 'attached'}" x="${left}" y="18" width="${wide}" height="20" rx="2"><title>${name}${isRetired && ' (retired)'}</title></rect>`;
    },
  )}${ticks.map(
    (tick) =>
      html`<text class="tick" x="${round(x(tick))}" y="56">${format(tick)}</text><path class="tick" d="M${round(x(tick))} 40v4"/>`,
  )}${marker(x(nowMs), 'now', ends)}${ends !== undefined && marker(ends, 'horizon', x(nowMs))}</svg>`;
}

/** Its word stands away from the other one, where there is room. */
function marker(x: number, word: 'now' | 'horizon', other: number | undefined): Markup {
  const isLeft = x > 390 || (x > 70 && other !== undefined && other >= x);
  return html`<path class="${word}" d="M${round(x)} 4V42"/><text class="${word}${isLeft && ' left'}" x="${round(isLeft ? x - 4 : x + 4)}" y="13">${word}</text>`;
}

export interface GraphNode {
  id: string;
  label: string;
  /** Of the class that colours it, and the shape before its name. */
  tone: string;
  shape: string;
  reads: readonly string[];
  title: string;
}

const box = { width: 222, height: 30, gapX: 40, gapY: 12 };

/** Left is what is read, right what reads it. */
export function dependencyGraph(nodes: readonly GraphNode[], title: string): Markup {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const depths = new Map<string, number>();
  const depthOf = (id: string, above: readonly string[] = []): number => {
    const known = depths.get(id);
    if (known !== undefined) return known;
    const below = (byId.get(id)?.reads ?? []).filter(
      (read) => byId.has(read) && !above.includes(read),
    );
    const depth = Math.max(-1, ...below.map((read) => depthOf(read, [...above, id]))) + 1;
    depths.set(id, depth);
    return depth;
  };
  const columns: GraphNode[][] = [];
  for (const node of nodes) {
    const depth = depthOf(node.id);
    columns[depth] = [...(columns[depth] ?? []), node];
  }
  const rows = new Map<string, number>();
  for (const column of columns) {
    const middle = ({ reads }: GraphNode) => {
      const known = reads.flatMap((read) => rows.get(read) ?? []);
      return known.length === 0 ? 0 : known.reduce((sum, row) => sum + row, 0) / known.length;
    };
    column.sort((one, other) => middle(one) - middle(other));
    for (const [row, { id }] of column.entries()) rows.set(id, row);
  }
  const xOf = (id: string) => 1 + depthOf(id) * (box.width + box.gapX);
  const yOf = (id: string) => 1 + (rows.get(id) ?? 0) * (box.height + box.gapY);
  const width = columns.length * (box.width + box.gapX) - box.gapX + 2;
  const height = Math.max(...columns.map(({ length }) => length), 1) * (box.height + box.gapY);
  const link = linkHorizontal<
    { source: [number, number]; target: [number, number] },
    [number, number]
  >();
  const edges = nodes.flatMap(({ id, reads }) =>
    reads
      .filter((read) => byId.has(read))
      .map((read) =>
        link({
          source: [xOf(read) + box.width, yOf(read) + box.height / 2],
          target: [xOf(id), yOf(id) + box.height / 2],
        }),
      ),
  );
  return html`<svg class="graph" role="img" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"><title>${title}</title>${edges.map(
    (d) => html`<path class="edge" d="${d}"/>`,
  )}${nodes.map(
    (node) =>
      html`<g class="${node.tone}"><title>${node.title}</title><rect x="${xOf(node.id)}" y="${yOf(node.id)}" width="${box.width}" height="${box.height}" rx="5"/><text x="${xOf(node.id) + 10}" y="${yOf(node.id) + 20}">${node.shape} ${shortened(node.label)}</text></g>`,
  )}</svg>`;
}

/** The whole name stands in the table and in the title. */
function shortened(label: string): string {
  const letters = [...label];
  return letters.length > 26
    ? `${letters.slice(0, 12).join('')}…${letters.slice(-13).join('')}`
    : label;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
