import { systemClock, timeMs } from '../../functions/_shared/clock.ts';
import { repeatLook } from '../../functions/_shared/errors.ts';
import {
  type ListedPolicy,
  listedPolicies,
  type PartitionReport,
  type PartitionStep,
} from '../../functions/partition-maintenance/schema.ts';
import { styleText } from '../printable.ts';
import { table } from '../table.ts';
import {
  bytes,
  coloured,
  count,
  many,
  note,
  pointToWarnings,
  say,
  showError,
  showFixes,
} from '../ui.ts';
import { windowColumns } from '../window.ts';
import type { Presenter } from './presenter.ts';

export const presenter: Presenter<PartitionReport> = {
  title: 'Partitioned tables',
  showReport,
  policies: async (rpc) => {
    const document = await rpc.call('list_partition_policies', {}, listedPolicies, {
      retry: repeatLook,
    });
    return { document, show: () => showPolicies(document) };
  },
  plan: async (rpc) => {
    const document = await rpc.call('list_partition_policies', {}, listedPolicies, {
      retry: repeatLook,
    });
    return { document, show: () => showPlan(document) };
  },
};

function showPolicies(policies: ListedPolicy[]): void {
  if (policies.length === 0) {
    say('No partition policies yet, so no partition is made or retired.');
    note("Declare one: select nightshift.add_partition_policy('public.daily_metrics', '1 month');");
    return;
  }
  const rows = policies.map((policy) => [
    policy.table,
    policy.every,
    count(policy.partitions),
    roomUntil(policy),
    policy.missing.length > 0 ? styleText('yellow', count(policy.missing.length)) : '0',
    policy.retention ?? 'for ever',
    count(policy.due.length),
    policy.enabled ? 'on' : styleText('yellow', 'off'),
  ]);
  const head = ['table', 'every', 'partitions', 'room until', 'missing', 'kept', 'due', 'policy'];
  console.log(table(head, rows, [2, 4, 6], ['policy', 'every', 'partitions', 'kept']));
  showProblems(policies);
  for (const { table: name, warnings } of policies) {
    for (const warning of warnings) say(styleText('yellow', `${name}: ${warning}`));
  }
}

function roomUntil({
  horizon,
  horizonDays,
  problem,
}: Pick<ListedPolicy, 'horizon' | 'horizonDays' | 'problem'>): string {
  if (problem) return styleText('red', 'does not fit');
  if (horizonDays === null) return 'for ever';
  return horizon ? day(horizon) : styleText('red', 'no partition for now');
}

/** The marks of a time line, the most noteworthy first: it is the one that stands for several. */
const marks = [
  ['missingNow', '!', 'now, to be made', 'red'],
  ['missing', '+', 'to be made', 'green'],
  ['due', 'x', 'to be retired', 'red'],
  ['gap', '_', 'gap', 'yellow'],
  ['present', '@', 'now', 'bold'],
  ['retired', '~', 'retired, still there', 'dim'],
  ['held', '=', 'in use', 'cyan'],
  ['ahead', '-', 'ready ahead', 'cyan'],
] as const;
type Kind = (typeof marks)[number][0];

interface Period {
  kind: Kind;
  /** ISO 8601, in UTC; null without a bound. */
  from: string | null;
  to: string | null;
}

const startMs = ({ from }: Pick<Period, 'from'>) =>
  from === null ? Number.NEGATIVE_INFINITY : timeMs(from);
const endMs = ({ to }: Pick<Period, 'to'>) => (to === null ? Number.POSITIVE_INFINITY : timeMs(to));

/** What there is and what there will be of a table, in the order of time, one period a partition. */
export function timeLine(policy: ListedPolicy, nowMs: number): Period[] {
  const attached = policy.partitionList
    .filter(({ isDefault }) => !isDefault)
    .map(({ partition, from, to, isPending }): Period => {
      if (isPending) return { kind: 'retired', from, to };
      const age = startMs({ from }) > nowMs ? 'ahead' : endMs({ to }) > nowMs ? 'present' : 'held';
      return { kind: policy.due.includes(partition) ? 'due' : age, from, to };
    });
  const periods = [
    ...attached,
    ...policy.missing.map((missing): Period => {
      const isNow = startMs(missing) <= nowMs && nowMs < endMs(missing);
      return { kind: isNow ? 'missingNow' : 'missing', ...missing };
    }),
    ...policy.retired.map(({ from, to }): Period => ({ kind: 'retired', from, to })),
  ].toSorted((a, b) => startMs(a) - startMs(b));
  return periods.flatMap((period, n) => {
    const before = periods[n - 1];
    return before && endMs(before) < startMs(period)
      ? [{ kind: 'gap' as const, from: before.to, to: period.from }, period]
      : [period];
  });
}

/** A line of marks, and the days at both of its ends. */
const widestLine = 60;
const daysColumns = 26;

const lineColumns = () => Math.max(Math.min(widestLine, windowColumns() - daysColumns), 1);

/** One mark a partition; of more than fit into a line, one mark for several. */
export function drawn(periods: readonly Period[]): Kind[] {
  const perMark = Math.ceil(periods.length / lineColumns());
  return Array.from({ length: Math.ceil(periods.length / perMark) }, (_, n) => {
    const some = periods.slice(n * perMark, (n + 1) * perMark);
    const [kind] = marks.find(([name]) => some.some((period) => period.kind === name)) ?? ['held'];
    return kind;
  });
}

function showPlan(policies: ListedPolicy[]): void {
  if (policies.length === 0) {
    say('No partition policy, so there is nothing to do.');
    return;
  }
  const nowMs = systemClock.nowMs();
  for (const policy of policies) {
    const periods = timeLine(policy, nowMs);
    say(`${styleText('bold', policy.table)}  ${inWords(policy)}`);
    if (policy.problem) {
      showError({ code: 'NS422', message: policy.problem, hint: policy.fix }, '  ');
      continue;
    }
    const line = drawn(periods).map((kind) => {
      const [, mark, , style] = marks.find(([name]) => name === kind) ?? marks[6];
      return styleText(style, mark);
    });
    const [first, last] = [periods[0]?.from, periods.at(-1)?.to].map((edge) =>
      edge ? day(edge) : '...',
    );
    const each = Math.ceil(periods.length / lineColumns());
    if (periods.length > 0) console.log(`  ${first} [${line.join('')}] ${last}`);
    const due = [...policy.due, ...(policy.dueAfterwards ? [policy.dueAfterwards] : [])];
    const counts = [
      ...(each > 1 ? [`a mark for ${each} partitions`] : []),
      many(policy.partitions, 'partition'),
      ...(policy.defaultPartition ? [defaultInWords(policy.defaultPartition, policy)] : []),
      policy.horizonDays === 0 ? roomUntil(policy) : `room until ${roomUntil(policy)}`,
      ...(policy.missing.length > 0 ? [`${count(policy.missing.length)} to be made`] : []),
      ...(due.length > 0 ? [`to be retired: ${some(due)}`] : []),
    ];
    note(`  ${counts.join(', ')}`);
    if (policy.refusal) {
      const text = `A run retires none without --force: ${policy.refusal}`;
      say(`  ${styleText('yellow', text)}`);
    }
    for (const { partition, sizeBytes, dropAfter, keptBecause } of policy.retired) {
      const until = dropAfter === null ? 'kept' : `dropped after ${day(dropAfter)}`;
      const fate = keptBecause ? `kept: ${keptBecause}` : until;
      note(`  ${partition}: retired (${bytes(sizeBytes)}), ${fate}`);
    }
  }
  const used = new Set(policies.flatMap((policy) => drawn(timeLine(policy, nowMs))));
  const legend = marks
    .filter(([kind]) => used.has(kind))
    .map(([, mark, text]) => `${mark} ${text}`);
  note(legend.join('   '));
  showProblems(policies);
  pointToWarnings(policies.flatMap(({ warnings }) => warnings));
}

function defaultInWords(name: string, { movableRows }: Pick<ListedPolicy, 'movableRows'>): string {
  const isEmpty = movableRows === 0;
  const rows =
    movableRows === null
      ? 'too large to be counted here: a dry run counts the rows to be moved out of it'
      : `${many(movableRows, 'row')} to be moved out of it`;
  return `and the default partition ${name}${isEmpty ? '' : ` (${rows})`}`;
}

function inWords({ every, premake, retention, retire, grace, enabled }: ListedPolicy): string {
  const dropped = retire === 'drop' ? `, dropped ${grace} later` : '';
  const kept = retention ? `detached ${retention} after its end${dropped}` : 'kept for ever';
  const off = enabled ? '' : `; ${styleText('yellow', 'switched off')}`;
  return `a partition every ${every}, ${premake} ahead, ${kept}${off}`;
}

function showReport(report: PartitionReport): void {
  if (report.steps.length === 0) {
    say('No enabled policy, so there was nothing to do.');
    return;
  }
  const rows = report.steps.map((step) => [
    step.table,
    coloured(step.status),
    count(step.created.length),
    count(step.created.reduce((sum, { rows }) => sum + rows, 0)),
    count(step.retired.length),
    count(step.dropped.length),
    roomUntil({ ...step, problem: undefined }),
  ]);
  const verbs = report.dryRun
    ? ['to make', 'rows to move', 'to retire', 'to drop']
    : ['made', 'rows moved', 'retired', 'dropped'];
  console.log(
    table(
      ['table', 'status', ...verbs, 'room until'],
      rows,
      [2, 3, 4, 5],
      [verbs[1] ?? '', 'room until'],
    ),
  );
  for (const step of report.steps) explainStep(step, report.dryRun);
  pointToWarnings(report.steps.flatMap(({ warnings }) => warnings));
  for (const name of report.disabled) note(`${name}: policy is switched off`);
}

function explainStep(step: PartitionStep, dryRun: boolean): void {
  if (step.error) showError(step.error, `${step.table}: `);
  const names = (list: { partition?: string }[]) =>
    list.flatMap(({ partition }) => partition ?? []);
  const deeds = [
    ['made', names(step.created)],
    [dryRun ? 'to be dropped' : 'dropped', names(step.dropped)],
    [dryRun ? 'to be retired' : 'retired', names(step.retired)],
  ] as const;
  for (const [deed, partitions] of deeds) {
    if (partitions.length > 0) note(`${step.table}: ${deed}: ${some(partitions)}`);
  }
  if (step.status === 'waiting') note(`${step.table}: the rest waits for the next run`);
  const last = step.retired.at(-1);
  if (last?.dropAfter) {
    note(
      `${step.table}: until ${day(last.dropAfter)} they can be had back: select nightshift.reattach_partition('${last.partition.replaceAll("'", "''")}');`,
    );
  }
  for (const { partition, reason } of [...step.blocked, ...step.kept]) {
    say(styleText('yellow', `${partition}: ${reason}`));
  }
  showFixes(step.fixes);
  const { partition, movableRows = 0 } = step.defaultPartition ?? {};
  if (movableRows > 0) {
    note(`${partition}: ${many(movableRows, 'row')} to be moved to partitions of their own`);
  }
  for (const notice of step.notices) {
    say(styleText('yellow', `${step.table}: ${notice}`));
  }
}

function some(names: readonly string[]): string {
  const more = names.length > 5 ? ` and ${count(names.length - 5)} more` : '';
  return `${names.slice(0, 5).join(', ')}${more}`;
}

function showProblems(policies: ListedPolicy[]): void {
  for (const { table: name, problem, fix } of policies) {
    if (problem) showError({ code: 'NS422', message: problem, hint: fix }, `${name}: `);
  }
}

function day(iso: string): string {
  const [date = '', time = ''] = iso.split('T');
  return time.startsWith('00:00') ? date : `${date} ${time.slice(0, 5)}`;
}
