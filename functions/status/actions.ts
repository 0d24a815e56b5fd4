import type { Status } from './schema.ts';

export interface Action {
  what: string;
  /** SQL or a sentence. */
  fix: string;
}

const mostActions = 3;

/** What to do first, worst first. */
export function actionsOf(snapshot: Status): Action[] {
  const { isOld, jobs, retention, health } = snapshot;
  const all = [
    ...(isOld
      ? [
          {
            what: 'The health check does not run',
            fix: 'Look into its log and at its schedule; start it by hand: nightshift run health-check',
          },
        ]
      : []),
    ...health.items
      .filter(({ level }) => level === 'critical')
      .flatMap(({ title, subject, fix }) =>
        fix === null ? [] : [{ what: named(title, subject), fix }],
      ),
    ...jobs.items.flatMap(({ job, state, lastError }) =>
      (state === 'failed' || state === 'lost') && lastError?.hint
        ? [{ what: `${job}: ${lastError.message}`, fix: lastError.hint }]
        : [],
    ),
    ...retention.items.flatMap(({ table, verdict, sentence, fix }) =>
      verdict === 'stalled' && fix !== null ? [{ what: `${table}: ${sentence}`, fix }] : [],
    ),
    ...health.items
      .filter(({ level }) => level === 'warning')
      .flatMap(({ title, subject, fix }) =>
        fix === null ? [] : [{ what: named(title, subject), fix }],
      ),
  ];
  const fixes = new Set<string>();
  return all.filter(({ fix }) => !fixes.has(fix) && fixes.add(fix)).slice(0, mostActions);
}

function named(title: string, subject: string | null): string {
  return subject === null ? title : `${title}: ${subject}`;
}
