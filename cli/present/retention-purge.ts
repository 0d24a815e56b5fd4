import type * as z from 'zod';
import { repeatLook } from '../../functions/_shared/errors.ts';
import {
  listedPolicies,
  type PurgeReport,
  type PurgeStep,
  plannedPolicies,
} from '../../functions/retention-purge/schema.ts';
import { styleText } from '../printable.ts';
import { table } from '../table.ts';
import {
  age,
  coloured,
  count,
  note,
  pointToWarnings,
  say,
  showError,
  showFix,
  showFixes,
  waysOf,
} from '../ui.ts';
import { onCommandLine, quoted } from '../words.ts';
import type { Presenter } from './presenter.ts';
import { showPlan } from './purge-plan.ts';

export const presenter: Presenter<PurgeReport> = {
  title: 'Retention',
  showReport,
  policies: async (rpc) => {
    const listed = await rpc.call('list_retention_policies', {}, listedPolicies, {
      retry: repeatLook,
    });
    return { document: listed, show: () => showPolicies(listed) };
  },
  plan: async (rpc) => {
    const planned = await rpc.call('preview_retention_purge', {}, plannedPolicies, {
      retry: repeatLook,
    });
    return { document: planned, show: () => showPlan(planned) };
  },
};

function showPolicies(policies: z.output<typeof listedPolicies>): void {
  if (policies.length === 0) {
    say('No retention policies yet, so nothing is ever deleted.');
    note("Declare one: select nightshift.add_retention_policy('public.orders', '90 days');");
    return;
  }
  const rows = policies.map((policy) => [
    policy.relation,
    `${policy.markerColumn}${policy.flagColumn ? ` and ${policy.flagColumn}` : ''}`,
    policy.dropAfter,
    policy.dueRows === undefined ? '?' : count(policy.dueRows, policy.dueRowsExact),
    policy.totalRows === undefined ? '?' : count(policy.totalRows, policy.totalRowsExact),
    policy.overdueSeconds == null ? '-' : age(policy.overdueSeconds),
    policy.lastPurgedAt === null
      ? 'never'
      : `${policy.lastPurgedAt.slice(0, 16).replace('T', ' ')} (${count(policy.lastPurgedRows ?? 0)})`,
    policy.problem
      ? styleText('red', 'broken')
      : policy.enabled
        ? 'on'
        : styleText('yellow', 'off'),
  ]);
  const head = [
    'table',
    'marker',
    'drop after',
    'due',
    'of rows',
    'overdue',
    'last purge (rows)',
    'policy',
  ];
  console.log(table(head, rows, [3, 4], ['policy', 'of rows', 'marker', 'last purge (rows)']));
  for (const policy of policies) {
    const keys = {
      'with children': policy.withChildren,
      releases: policy.release,
      keeps: policy.keep,
    };
    for (const [what, names] of Object.entries(keys)) {
      if (names.length > 0) note(`${policy.relation}: ${what} ${names.join(', ')}`);
    }
    if (policy.problem) {
      say(styleText('red', `${policy.relation}: ${policy.problem.message}`));
      if (policy.problem.hint) say(`  Fix: ${onCommandLine(policy.problem.hint)}`);
    }
    for (const warning of policy.warnings)
      say(styleText('yellow', `${policy.relation}: ${warning}`));
  }
}

function showReport(report: PurgeReport): void {
  if (report.steps.length === 0) {
    say('No enabled policy, so there was nothing to do.');
    return;
  }
  // What is left after a dry run says nothing: all is still there.
  const undecided = report.dryRun || report.steps.some(({ rowsUndecided }) => rowsUndecided > 0);
  const all: [head: string, of: (step: PurgeStep) => string, shown?: boolean][] = [
    ['table', ({ relation }) => relation],
    ['due', ({ dueRows, dueRowsExact }) => counted(dueRows, dueRowsExact)],
    [report.dryRun ? 'would go' : 'purged', ({ rowsPurged }) => count(rowsPurged)],
    ['children', (step) => count(childrenOf(step))],
    ['stay', (step) => count(step.rowsBlocked + step.rowsKept + step.rowsRefused)],
    ['undecided', ({ rowsUndecided }) => count(rowsUndecided), undecided],
    ['left', leftOf, !report.dryRun],
    ['took', ({ durationMs }) => age(durationMs / 1000)],
    ['status', ({ status }) => coloured(status)],
  ];
  const columns = all.filter(([, , shown = true]) => shown);
  const rows = report.steps.map((step) => columns.map(([, of]) => of(step)));
  const head = columns.map(([name]) => name);
  const figures = head.slice(1, -2).map((_, n) => n + 1);
  console.log(table(head, rows, figures, ['took', 'children', 'due']));
  const said = new Map<string, string>();
  for (const step of report.steps) explainStep(step, report, said);
  pointToWarnings(report.steps.flatMap(({ warnings }) => warnings));
  for (const relation of report.disabled) note(`${relation}: policy is switched off`);
}

/** No estimate is zero: that is what a step has that failed before it could look. */
function counted(rows: number, exact: boolean): string {
  return rows === 0 && !exact ? '?' : count(rows, exact);
}

/** A large table whose purge has met no row that stays is not counted again. */
function leftOf({ rowsLeft, rowsLeftExact, status }: PurgeStep): string {
  return status === 'succeeded' ? count(rowsLeft, rowsLeftExact) : counted(rowsLeft, rowsLeftExact);
}

function childrenOf({ children }: PurgeStep): number {
  return Object.values(children).reduce((sum, rows) => sum + rows, 0);
}

/** `said`: the calls above, of which one may mend several things, each with what it was first said of. */
function explainStep(step: PurgeStep, { dryRun }: PurgeReport, said: Map<string, string>): void {
  const stay = step.rowsBlocked + step.rowsRefused;
  if (step.reason) say(`${step.relation}: ${step.reason}`);
  if (dryRun && stay > 0) note(`${step.relation}: ${count(stay)} would stay`);
  if (dryRun && step.rowsUndecided > 0) {
    note(
      `${step.relation}: ${count(step.rowsUndecided)} not decided: more rows refer to them than a run looks at in one batch, and it leaves them`,
    );
  }
  const showFixOf = (subject: string) => {
    for (const { fix } of step.fixes.filter((found) => found.subject === subject)) {
      const { call } = waysOf(fix);
      const first = said.get(call);
      if (first) note(`    Fix: the call for ${first} above, which is made once`);
      else showFix(fix, '    ');
      // A sentence is no call, and is said of each.
      if (call.endsWith(';')) said.set(call, first ?? subject);
    }
  };
  for (const [key, rows] of Object.entries(step.blockedBy)) {
    note(`  ${count(rows)} needed through foreign key ${key}`);
    showFixOf(key);
  }
  for (const [refuser, rows] of Object.entries(step.refusedBy)) {
    note(`  ${count(rows)} not let go by ${refuser}`);
    showFixOf(refuser);
  }
  showFixes(step.fixes, [...Object.keys(step.blockedBy), ...Object.keys(step.refusedBy)]);
  for (const [key, rows] of Object.entries(step.keptBy)) {
    note(`${step.relation}: ${count(rows)} kept, as the policy says, through foreign key ${key}`);
  }
  for (const [relation, rows] of Object.entries(step.children)) {
    note(
      `${step.relation}: ${count(rows)} of ${relation} ${dryRun ? 'would go' : 'went'} with them`,
    );
  }
  for (const [relation, rows] of Object.entries(step.released)) {
    note(
      `${step.relation}: ${count(rows)} of ${relation} ${dryRun ? 'would ' : ''}no longer refer to them`,
    );
  }
  if (step.pacedMs >= 1_000) {
    const why = step.pacedFor.join(', ');
    note(
      `${step.relation}: ${age(step.pacedMs / 1000)} of that in pauses for ${why} (--pace full makes none)`,
    );
  }
  if (step.timedOutMs >= 1_000) {
    note(
      `${step.relation}: ${age(step.timedOutMs / 1000)} of that in batches that were rolled back at the statement timeout`,
    );
  }
  if (step.error) {
    const named = step.error.message.startsWith(`${step.relation}:`);
    showError(step.error, named ? '' : `${step.relation}: `);
  }
  if (step.leftOut.length > 0) {
    const left = step.leftOut.join(', ');
    note(`${step.relation}: not in this run, though they refer to it and have policies: ${left}`);
    note(`  --only ${[step.relation, ...step.leftOut].map(quoted).join(' ')}`);
  }
}
