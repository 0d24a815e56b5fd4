import { styleText } from 'node:util';
import { Presets, SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import type * as z from 'zod';
import { timeMs } from '../../functions/_shared/clock.ts';
import type { ErrorDocument } from '../../functions/_shared/errors.ts';
import type { StepProgress } from '../../functions/_shared/job.ts';
import type { RunDocument } from '../../functions/_shared/ledger.ts';
import type {
  listedPolicies,
  PurgeReport,
  PurgeStep,
} from '../../functions/retention-purge/schema.ts';

const number = new Intl.NumberFormat('en');

function count(value: number, exact = true): string {
  return `${exact ? '' : '~'}${number.format(value)}`;
}

export function heading(text: string): void {
  console.log(`\n${styleText('bold', text)}`);
}

export function note(text: string): void {
  console.log(styleText('dim', text));
}

function table(head: string[], rows: string[][], rightAligned: number[]): string {
  const view = new Table({
    head: head.map((text) => styleText('bold', text)),
    style: { head: [], border: [], compact: true },
    colAligns: head.map((_, column) => (rightAligned.includes(column) ? 'right' : 'left')),
  });
  view.push(...rows);
  return view.toString();
}

const colours = {
  succeeded: 'green',
  running: 'cyan',
  continued: 'yellow',
  partial: 'yellow',
  skipped: 'yellow',
  failed: 'red',
  lost: 'red',
} as const;

export function coloured(status: keyof typeof colours): string {
  return styleText(colours[status], status);
}

/** Seconds as the largest two units that matter: 3d 4h, 12m 5s. */
function age(seconds: number): string {
  const units: [string, number][] = [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ];
  const parts: string[] = [];
  let rest = Math.max(Math.round(seconds), 0);
  for (const [unit, size] of units) {
    if (rest >= size) parts.push(`${Math.floor(rest / size)}${unit}`);
    rest %= size;
  }
  return parts.slice(0, 2).join(' ') || '0s';
}

export function showPolicies(policies: z.output<typeof listedPolicies>): void {
  if (policies.length === 0) {
    console.log('No retention policies yet, so nothing is ever deleted.');
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
  console.log(table(head, rows, [3, 4]));
  for (const policy of policies) {
    if (policy.problem)
      console.log(styleText('red', `${policy.relation}: ${policy.problem.message}`));
    for (const warning of policy.warnings)
      console.log(styleText('yellow', `${policy.relation}: ${warning}`));
  }
}

export function showRuns(runs: RunDocument[]): void {
  if (runs.length === 0) {
    console.log('No runs yet.');
    return;
  }
  const rows = runs.map((run) => [
    run.job,
    coloured(run.status) + (run.dryRun ? ' (dry run)' : ''),
    run.trigger,
    run.startedAt.slice(0, 19).replace('T', ' '),
    run.finishedAt === null ? '-' : age((timeMs(run.finishedAt) - timeMs(run.startedAt)) / 1000),
    run.id,
  ]);
  console.log(table(['job', 'status', 'trigger', 'started (UTC)', 'took', 'run'], rows, []));
}

export function showReport(report: PurgeReport): void {
  if (report.steps.length === 0) {
    console.log('No enabled policy, so there was nothing to do.');
    return;
  }
  const rows = report.steps.map((step) => [
    step.relation,
    count(step.dueRows, step.dueRowsExact),
    count(step.rowsPurged),
    count(step.rowsBlocked),
    report.dryRun ? '-' : count(step.rowsLeft, step.rowsLeftExact),
    count(step.batches),
    age(step.durationMs / 1000),
    coloured(step.status),
  ]);
  const purged = report.dryRun ? 'would go' : 'purged';
  const head = ['table', 'due', purged, 'still needed', 'left', 'batches', 'took', 'status'];
  console.log(table(head, rows, [1, 2, 3, 4, 5]));
  for (const step of report.steps) explainStep(step);
  for (const relation of report.disabled) note(`${relation}: policy is switched off`);
  for (const text of report.refusals) {
    console.log(styleText('yellow', `A real run would refuse. ${text}`));
  }
}

function explainStep(step: PurgeStep): void {
  if (step.reason) console.log(`${step.relation}: ${step.reason}`);
  for (const [key, rows] of Object.entries(step.blockedBy)) {
    note(`  ${count(rows)} needed through foreign key ${key}`);
  }
  for (const warning of step.warnings)
    console.log(styleText('yellow', `${step.relation}: ${warning}`));
  if (step.error) showError(step.error, `${step.relation}: `);
}

export function showError(error: ErrorDocument, prefix = ''): void {
  console.error(styleText('red', `${prefix}${error.message} (${error.code})`));
  if (error.detail) console.error(`  ${error.detail}`);
  if (error.hint) console.error(`  Fix: ${error.hint}`);
}

/** A progress bar for each subject in turn, on a terminal only. */
export function progressBars(): { onProgress: (progress: StepProgress) => void; stop: () => void } {
  let bar: SingleBar | undefined;
  let current: string | undefined;
  return {
    onProgress: ({ subject, done, total }) => {
      if (subject !== current) {
        bar?.stop();
        bar = new SingleBar(
          {
            format: `  ${subject.padEnd(44)} {bar} {percentage}%  {value} of {total} rows`,
            stream: process.stderr,
            barsize: 24,
            forceRedraw: true,
          },
          Presets.shades_classic,
        );
        bar.start(Math.max(total, done), done);
        current = subject;
      }
      bar?.setTotal(Math.max(total, done));
      bar?.update(done);
    },
    stop: () => bar?.stop(),
  };
}
