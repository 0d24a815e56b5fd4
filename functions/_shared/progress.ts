import * as z from 'zod';
import { count, many } from './figures.ts';

/** What a job may have written down of one table or view, in the transaction that did the work. */
const step = z.object({
  rowsPurged: z.number().default(0),
  created: z.array(z.unknown()).default([]),
  retired: z.array(z.unknown()).default([]),
  dropped: z.array(z.unknown()).default([]),
  refreshedMs: z.number().optional(),
  vacuumedMs: z.number().optional(),
});

const progress = z.object({
  steps: z.record(z.string(), step).default({}),
  backlogs: z.record(z.string(), z.object({ dueRows: z.number() })).default({}),
});

/** How far a run is, from runs.progress, whichever job it is of. */
export function progressInWords(document: unknown): string {
  const { steps: byName, backlogs } = progress.parse(document);
  const steps = Object.values(byName);
  const sum = (pick: (of: z.output<typeof step>) => number) =>
    steps.reduce((total, each) => total + pick(each), 0);
  const dueRows = Object.values(backlogs).reduce((total, each) => total + each.dueRows, 0);
  const counted: [number, string, string][] = [
    [sum(({ created }) => created.length), 'partition', 'made'],
    [sum(({ retired }) => retired.length), 'partition', 'retired'],
    [sum(({ dropped }) => dropped.length), 'partition', 'dropped'],
    [sum(({ refreshedMs }) => (refreshedMs === undefined ? 0 : 1)), 'view', 'refreshed'],
    [sum(({ vacuumedMs }) => (vacuumedMs === undefined ? 0 : 1)), 'table', 'vacuumed'],
  ];
  const parts = counted.filter(([n]) => n > 0).map(([n, one, done]) => `${many(n, one)} ${done}`);
  if (dueRows > 0) {
    const purged = count(sum(({ rowsPurged }) => rowsPurged));
    parts.unshift(`${purged} of about ${count(dueRows)} due rows purged`);
  }
  return parts.join(', ') || 'nothing done yet';
}
