import { type Fix, fixesOfError, nextRunGoesOn } from '../_shared/fix.ts';
import type { MeasuredTable, PurgeStep } from './schema.ts';

/** What to do about the rows that a step left, the foreign keys that hold most of them first. */
export function fixesOf(
  keys: MeasuredTable['keys'],
  step: Omit<PurgeStep, 'fixes' | 'status'>,
  { outOfTime, counted, others }: { outOfTime: boolean; counted: boolean; others: number },
): Fix[] {
  const { relation, error, blockedBy, refusedBy, rowsUndecided } = step;
  const isDone = !error && !outOfTime;
  const byRows = (counts: Record<string, number>) =>
    Object.entries(counts)
      .toSorted(([, a], [, b]) => b - a)
      .map(([name]) => name);
  const of = (subject: string, fix: string): Fix => ({ subject, fix });
  return [
    ...(error ? fixesOfError(relation, error) : []),
    ...(outOfTime ? [of(relation, nextRunGoesOn)] : []),
    ...byRows(blockedBy).map((name) => of(name, fixOfKey(keys, name))),
    ...byRows(refusedBy).map((name) =>
      of(
        name,
        "Delete one of the due rows by hand to see what it says. A trigger can let purges pass: current_setting('nightshift.run_id', true) is set in them. Rows that are meant to stay ring no alarm where a foreign key holds them that the policy keeps.",
      ),
    ),
    ...(rowsUndecided > 0
      ? [
          of(
            relation,
            'A run decides them once fewer rows refer to them: delete some of those by hand, in portions, or give their tables policies of their own, so that they go first, a batch at a time.',
          ),
        ]
      : []),
    ...(isDone && counted && others > 0
      ? [
          of(
            relation,
            "The next run takes them. If it does not, look for who holds them: select pid, state, xact_start, query from pg_stat_activity where xact_start < now() - interval '5 minutes';",
          ),
        ]
      : []),
    ...(isDone && !counted
      ? [
          of(
            relation,
            `vacuum ${relation}; -- where dead rows slow the count down, as right behind a large purge`,
          ),
        ]
      : []),
  ];
}

function fixOfKey(keys: MeasuredTable['keys'], name: string): string {
  const known = keys.find(({ key }) => key === name);
  if (known?.leftOut) {
    return `Let the run have ${known.table} as well: its rows go by a policy of their own.`;
  }
  return known?.fix ?? 'It is new, or changed since the run began; the next run says what to do.';
}
