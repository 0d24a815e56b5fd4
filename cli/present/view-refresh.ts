import { type PlannedView, planRefresh } from '../../functions/view-refresh/plan.ts';
import { apiCallTimeoutMs } from '../../functions/view-refresh/rules.ts';
import {
  listOfViewFacts,
  type RefreshReport,
  type RefreshStep,
  type StepReason,
  type ViewFacts,
} from '../../functions/view-refresh/schema.ts';
import { styleText } from '../printable.ts';
import { table } from '../table.ts';
import { Tree } from '../tree.ts';
import {
  age,
  bytes,
  coloured,
  count,
  duration,
  note,
  pointToWarnings,
  say,
  showError,
  showFixes,
} from '../ui.ts';
import { onCommandLine } from '../words.ts';
import type { Presenter } from './presenter.ts';

const longCall = { timeoutMs: apiCallTimeoutMs, retry: () => false };

export const presenter: Presenter<RefreshReport> = {
  title: 'Materialized views',
  showReport,
  policies: async (rpc) => {
    const listed = await rpc.call('list_refresh_policies', {}, listOfViewFacts, longCall);
    return { document: listed, show: () => showPolicies(listed) };
  },
  plan: async (rpc) => {
    const listed = await rpc.call('list_refresh_policies', {}, listOfViewFacts, longCall);
    const scope = { only: false, ancestors: false, descendants: false, force: false };
    const planned = planRefresh(listed, { ...scope, nextRunSeconds: null });
    const off = listed.filter(({ enabled }) => !enabled).map(({ view }) => view);
    return { document: planned, show: () => showPlan(planned, off) };
  },
};

function showPolicies(policies: ViewFacts[]): void {
  if (policies.length === 0) {
    say('No refresh policies yet, so no view is refreshed.');
    note(
      "Declare one for each view of a schema: select nightshift.adopt_refresh_policies('public');",
    );
    return;
  }
  const rows = policies.map((policy) => [
    policy.view,
    policy.reason === 'gone' ? styleText('red', 'gone') : ageOf(policy),
    age(policy.maxStalenessSeconds ?? 0),
    policy.lastRefreshedAt === null
      ? 'never'
      : `${policy.lastRefreshedAt.slice(0, 16).replace('T', ' ')} (${duration(policy.lastRefreshMs ?? 0)})`,
    policy.problem ? styleText('red', 'cannot') : (policy.mode ?? '-'),
    policy.enabled ? 'on' : styleText('yellow', 'off'),
  ]);
  console.log(
    table(
      ['view', 'data is', 'may be', 'last refresh (took)', 'refreshed', 'policy'],
      rows,
      [],
      ['policy', 'refreshed', 'last refresh (took)'],
    ),
  );
  for (const { view, warnings } of policies) showWarnings(view, warnings);
}

function ageOf({ dataAsOf, stalenessSeconds = 0, maxStalenessSeconds = 0 }: ViewFacts): string {
  const text = dataAsOf ? `${age(stalenessSeconds)} old` : 'unknown';
  return stalenessSeconds >= maxStalenessSeconds ? styleText('red', `${text}, stale`) : text;
}

const actions = {
  refresh: styleText('green', 'refresh'),
  skip: styleText('dim', 'skip'),
  fail: styleText('red', 'cannot'),
  blocked: styleText('yellow', 'blocked'),
  done: 'done',
} as const;

/** A view that reads several others hangs below the first of them, and names the rest. */
function showPlan(planned: PlannedView[], off: string[]): void {
  if (planned.length + off.length === 0) {
    say('No enabled policy, so there is nothing to do.');
    return;
  }
  const roots: Tree[] = [];
  const nodes = new Map<string, Tree>();
  for (const { facts, reads, action, reason, detail } of planned) {
    const [first = '', ...rest] = reads;
    const also = rest.length > 0 ? ` (also reads ${rest.join(', ')})` : '';
    const how = action === 'refresh' && facts.mode ? ` ${facts.mode}` : '';
    const why = action === 'fail' && facts.problem ? facts.problem : onCommandLine(detail);
    const node = new Tree(`${facts.view}${also}: ${actions[action]}${how} (${reason}): ${why}`);
    const above = nodes.get(first);
    if (above) above.add(node);
    else roots.push(node);
    nodes.set(facts.view, node);
  }
  for (const view of off) roots.push(new Tree(`${view}: ${styleText('yellow', 'off')}`));
  for (const root of roots) console.log(`${root}`);
  pointToWarnings(planned.flatMap(({ facts }) => facts.warnings));
}

function showReport(report: RefreshReport): void {
  if (report.steps.length === 0) {
    say('No enabled policy, so there was nothing to do.');
    return;
  }
  const figure = (value: number | undefined, show: (value: number) => string) =>
    value === undefined ? '-' : show(value);
  const rows = report.steps.map((step) => [
    step.view,
    coloured(step.status),
    step.reason,
    step.mode ?? '-',
    figure(step.durationMs, duration),
    figure(step.rows, count),
    figure(step.sizeBytes, bytes),
  ]);
  const head = ['view', 'status', 'because', 'how', 'took', 'rows', 'size'];
  console.log(table(head, rows, [4, 5, 6], ['size', 'how', 'rows', 'took']));
  for (const step of report.steps) explainStep(step);
  pointToWarnings(report.steps.flatMap(({ warnings }) => warnings));
  for (const view of report.disabled) note(`${view}: policy is switched off`);
  for (const { view, stalenessSeconds, maxStalenessSeconds } of report.stale) {
    const text = `${view}: its data is ${age(stalenessSeconds)} old, and may be ${age(maxStalenessSeconds)}`;
    say(styleText('yellow', text));
  }
}

const selfEvident = new Set<StepReason>(['unchanged', 'never', 'forced']);

function explainStep(step: RefreshStep): void {
  if (step.error) showError(step.error);
  else if (!selfEvident.has(step.reason)) note(`${step.view}: ${onCommandLine(step.detail)}`);
  showFixes(step.fixes);
  showWarnings(step.view, step.notices);
}

function showWarnings(view: string, warnings: readonly string[]): void {
  for (const warning of warnings) say(styleText('yellow', `${view}: ${warning}`));
}
