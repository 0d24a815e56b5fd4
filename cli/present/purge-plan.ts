import type { PlannedKey, PlannedPolicy } from '../../functions/retention-purge/schema.ts';
import { styleText } from '../printable.ts';
import { Tree } from '../tree.ts';
import { count, note, pointToWarnings, say, showFix, wrapped } from '../ui.ts';

/** Who refers to the rows of each policy, as a tree, and below it what is to be done about those that hold rows. */
export function showPlan(policies: PlannedPolicy[]): void {
  if (policies.length === 0) {
    say('No retention policy, so there is nothing to do.');
    return;
  }
  for (const policy of policies) console.log(`${treeOf(policy)}`);
  for (const policy of policies) explain(policy);
  pointToWarnings(policies.flatMap(({ warnings }) => warnings));
  const figures = policies.flatMap(({ goesExact, keys }) => [
    goesExact,
    ...keys.map(({ rowsExact }) => rowsExact),
  ]);
  if (figures.includes(false)) note('~ is an estimate, ? not known; a dry run counts exactly.');
}

function treeOf(policy: PlannedPolicy): Tree {
  const tree = new Tree(`${styleText('bold', policy.relation)}: ${fateOf(policy)}`);
  const nodes = new Map<string | null, Tree>([[null, tree]]);
  /** What cannot be followed without an index, by the keys below. */
  const unindexed = new Map<string, string>();
  for (const key of policy.keys) {
    const name = `${key.table}(${key.columns})`;
    const above = key.under === null ? undefined : unindexed.get(key.under);
    const missing = key.createIndex
      ? `, ${styleText('red', 'no index')}`
      : key.rows === null && above
        ? `, not known without an index for ${above}`
        : '';
    const node = new Tree(`${name}: ${fateOfKey(key, policy.goesAtMost)}${missing}`);
    (nodes.get(key.under) ?? tree).add(node);
    nodes.set(key.key, node);
    if (key.createIndex) unindexed.set(key.key, name);
    else if (above) unindexed.set(key.key, above);
  }
  return tree;
}

function fateOf(policy: PlannedPolicy): string {
  const { enabled, problem, goes, goesExact, goesAtMost, dueRows = 0, dueRowsExact } = policy;
  if (!enabled) return styleText('yellow', 'off');
  if (problem || goes === undefined) return styleText('red', 'cannot be purged');
  if (dueRows === 0) return 'none is due';
  const some = `${goesAtMost ? 'at most ' : ''}${count(goes, goesExact && dueRowsExact)} go`;
  return `${styleText('green', some)} of ${count(dueRows, dueRowsExact)} due`;
}

function fateOfKey({ role, rows, rowsExact, ownPolicy }: PlannedKey, atMost: boolean): string {
  const many = rows === null ? '?' : count(rows, rowsExact);
  const most = atMost && rows ? `at most ${many}` : many;
  switch (role) {
    case 'child':
      return styleText('green', `goes with, ${most}`);
    case 'release':
      return styleText('cyan', `released, ${most}`);
    case 'keep':
      return `keeps ${many}, as the policy says`;
    case 'hold':
      if (rows === 0) return rowsExact ? 'keeps none' : 'keeps ~0';
      return styleText('yellow', `keeps ${many}${ownPolicy ? ' until due itself' : ''}`);
  }
}

function explain({ relation, problem, warnings, keys }: PlannedPolicy): void {
  if (problem) console.log(wrapped(styleText('red', `${relation}: ${problem.message}`)));
  const said = warnings.join('\n');
  for (const { createIndex } of keys) {
    if (!createIndex || said.includes(createIndex)) continue;
    console.log(
      wrapped(styleText('yellow', `${relation}: an index is missing. Fix: ${createIndex}`)),
    );
  }
  for (const { table, role, rows, ownPolicy, fix } of keys) {
    if (role !== 'hold' || rows === 0 || ownPolicy || !fix) continue;
    console.log(`${table} keeps rows of ${relation}:`);
    showFix(fix, '  ');
  }
}
