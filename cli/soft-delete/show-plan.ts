import { groupBy } from '../group-by.ts';
import { table } from '../table.ts';
import { count, note, say } from '../ui.ts';
import type { RestorationPlan } from './documents.ts';
import { firstOf, sayLeftAlone } from './show-restored.ts';

type Conflict = RestorationPlan['conflicts'][number];

/** What is in the way of a row, and which --on-conflict gets past it. */
const kinds: Record<
  Conflict['kind'],
  { inWords: (constraint: string) => string; settledBy: string; fix: string }
> = {
  unique: {
    inWords: (constraint) => `another row has the values that ${constraint} keeps unique`,
    settledBy: 'replace',
    fix: 'Give either row another value, or delete the active one: --on-conflict replace.',
  },
  parent_deleted: {
    inWords: (constraint) => `it belongs, by ${constraint}, to a row that is deleted`,
    settledBy: 'restore_parents',
    fix: 'Restore that one as well: --on-conflict restore_parents.',
  },
};

/** Whether rows would stay deleted. */
export function conflictsLeft({ conflicts }: RestorationPlan, onConflict?: string): boolean {
  return conflicts.some(({ kind }) => kinds[kind].settledBy !== onConflict);
}

export function showPlan(
  { tables, conflicts, moreConflicts, notDeleted, notFound }: RestorationPlan,
  onConflict?: string,
): void {
  say('Nothing was restored. What would come back, unless something is in its way:');
  const rows = tables.map(({ relation, rows }) => {
    const blocked = new Set(
      conflicts.filter((each) => each.relation === relation).map(({ key }) => JSON.stringify(key)),
    ).size;
    return [
      relation,
      count(rows),
      `${moreConflicts && blocked > 0 ? 'at least ' : ''}${count(blocked)}`,
    ];
  });
  console.log(table(['table', 'deleted', 'something in the way'], rows, [1, 2]));
  sayLeftAlone({ notDeleted, notFound });
  const reasons = groupBy(
    conflicts,
    ({ relation, kind, constraint }) => `${relation}: ${kinds[kind].inWords(constraint)}`,
  );
  for (const [reason, blocked] of reasons) {
    const kind = kinds[blocked[0]?.kind ?? 'unique'];
    say(`\n${reason}`);
    const keys = blocked.map(
      ({ key, blocking }) => `${JSON.stringify(key)} (${JSON.stringify(blocking)})`,
    );
    note(`  By key, and the key of what is in the way: ${firstOf(keys)}`);
    if (kind.settledBy !== onConflict) say(`  Fix: ${kind.fix} Without it, they stay deleted.`);
  }
  if (moreConflicts) note('\nThere are more conflicts than the first 1,000 that it looks for.');
  if (conflicts.length > 0)
    note('\nWhat belongs to a row that stays deleted stays deleted with it.');
  note('What a trigger or a check refuses, only the restore itself tells.');
}
