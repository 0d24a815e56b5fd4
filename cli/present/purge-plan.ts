import { braked } from '../../functions/retention-purge/rules.ts';
import type { PlannedKey, PlannedPolicy } from '../../functions/retention-purge/schema.ts';
import { styleText } from '../printable.ts';
import { Tree } from '../tree.ts';
import { count, note, pointToWarnings, say, waysOf, wrapped } from '../ui.ts';
import { onCommandLine } from '../words.ts';

/** Who refers to the rows of each policy, as a tree, and below it what is to be done about those that hold rows. */
export function showPlan(policies: PlannedPolicy[]): void {
  if (policies.length === 0) {
    say('No retention policy, so there is nothing to do.');
    return;
  }
  for (const policy of policies) console.log(`${treeOf(policy)}`);
  const warnings = policies.flatMap((policy) => policy.warnings);
  const warned = warnings.join('\n');
  const said = new Set<string>();
  for (const policy of policies) explain(policy, warned, said);
  pointToWarnings(warnings);
  const figures = policies.flatMap(({ goesExact, keys }) => [
    goesExact,
    ...keys.map(({ rowsExact }) => rowsExact),
  ]);
  if (figures.includes(false)) note('~ is an estimate, ? not known; a dry run counts exactly.');
  explainTime(policies);
}

/** The time of a plan is short, and each policy has its share of it. */
function explainTime(policies: PlannedPolicy[]): void {
  const unseen = policies.filter(isUnseen).map(({ relation }) => relation);
  if (unseen.length === 0 && !policies.some(({ outOfTime }) => outOfTime)) return;
  const untouched = unseen.length > 0 ? ` Not looked at: ${unseen.join(', ')}.` : '';
  say(
    styleText(
      'yellow',
      `Time ran out before all was counted: the database is busy, or there is much to look at.${untouched} Ask again later, or take a dry run, which has the time.`,
    ),
  );
}

/** Nothing is wrong with such a policy. */
const isUnseen = ({ problem }: PlannedPolicy) => problem?.code === 'NS424';

function treeOf(policy: PlannedPolicy): Tree {
  const tree = new Tree(`${styleText('bold', policy.relation)}: ${fateOf(policy)}`);
  const nodes = new Map<string | null, Tree>([[null, tree]]);
  /** What cannot be followed without an index, by the keys below. */
  const unindexed = new Map<string, string>();
  /** The first key that leads to the rows of a table, below which is shown who refers to them. */
  const waysTo = new Map([[policy.relation, '']]);
  const names = new Map<string | null, string>(policy.keys.map((each) => [each.key, nameOf(each)]));
  /** Of what was counted by one way of several: by which. */
  const inPart = new Map<string | null, string>();
  for (const key of policy.keys) {
    const name = nameOf(key);
    const above = key.under === null ? undefined : unindexed.get(key.under);
    const missing = key.createIndex
      ? `, ${styleText('red', 'no index')}`
      : key.rows === null && above
        ? `, not known without an index for ${above}`
        : '';
    const first = key.role === 'child' ? waysTo.get(key.table) : undefined;
    if (key.role === 'child' && first === undefined) waysTo.set(key.table, name);
    const also = first && key.rows !== 0 ? `, some of them counted at ${first} as well` : '';
    const way = inPart.get(key.under) ?? names.get(key.under) ?? 'the due rows';
    if (key.rowsInPart) inPart.set(key.key, way);
    const alone = key.rowsInPart && key.rows ? `, by ${way} alone` : '';
    const node = new Tree(`${name}: ${fateOfKey(key, policy.goesAtMost)}${missing}${also}${alone}`);
    (nodes.get(key.under) ?? tree).add(node);
    nodes.set(key.key, node);
    if (key.createIndex) unindexed.set(key.key, name);
    else if (above) unindexed.set(key.key, above);
  }
  return tree;
}

const nameOf = ({ table, columns }: PlannedKey) => `${table}(${columns})`;

function fateOf(policy: PlannedPolicy): string {
  const { enabled, problem, goes, goesExact, goesAtMost, dueRows = 0, dueRowsExact } = policy;
  if (!enabled) return styleText('yellow', 'off');
  if (isUnseen(policy)) return styleText('yellow', 'not looked at');
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

/** `warned`: all warnings; `said`: the statements above, of which one may mend several things. */
function explain(policy: PlannedPolicy, warned: string, said: Set<string>): void {
  const { relation, problem, refusal, keys, outOfTime } = policy;
  if (problem && !isUnseen(policy)) {
    console.log(wrapped(styleText('red', `${relation}: ${problem.message}`)));
    if (problem.hint) console.log(wrapped(`Fix: ${onCommandLine(problem.hint)}`, '  '));
  }
  if (refusal) {
    console.log(wrapped(styleText('yellow', `As it looks, a run leaves it alone. ${refusal}`)));
    console.log(wrapped(onCommandLine(braked(relation, refusal).hint ?? ''), '  '));
  }
  for (const { createIndex } of keys) {
    if (!createIndex || said.has(createIndex) || warned.includes(createIndex)) continue;
    said.add(createIndex);
    console.log(
      wrapped(styleText('yellow', `${relation}: an index is missing. Fix: ${createIndex}`)),
    );
  }
  const fixes = keys.flatMap(({ role, rows, ownPolicy, createIndex, fix }) => {
    // What there was no time to look at may keep nothing, and more is not to be deleted for nothing.
    const notReached = rows === null && outOfTime && !createIndex;
    return role === 'hold' && rows !== 0 && !notReached && !ownPolicy && fix ? [fix] : [];
  });
  /** The calls, by what each offers as another way. */
  const calls = new Map<string, string[]>();
  for (const fix of fixes) {
    const { call, otherWay } = waysOf(fix);
    if (!said.has(call)) calls.set(otherWay, [...(calls.get(otherWay) ?? []), call]);
    said.add(call);
  }
  if (calls.size === 0) return;
  console.log(
    wrapped(`${relation}: what keeps rows is settled one foreign key a call, in any order:`),
  );
  for (const [otherWay, alike] of calls) {
    for (const call of alike) console.log(wrapped(styleText('cyan', call), '  '));
    if (otherWay) note(wrapped(otherWay, '  -- '));
  }
}
