import { repeatLook } from '../../functions/_shared/errors.ts';
import {
  type Bloat,
  type Holder,
  type IndexStep,
  listOfTableFacts,
  listOfVacuumPolicies,
  type TableFacts,
  type VacuumPolicy,
  type VacuumReport,
} from '../../functions/table-vacuum/schema.ts';
import { styleText } from '../printable.ts';
import { table } from '../table.ts';
import { bytes, coloured, count, duration, note, say, showError, showFixes } from '../ui.ts';
import type { Presenter } from './presenter.ts';

export const presenter: Presenter<VacuumReport> = {
  title: 'Vacuum',
  showReport,
  policies: async (rpc) => {
    const document = await rpc.call('list_vacuum_policies', {}, listOfVacuumPolicies, {
      retry: repeatLook,
    });
    return { document, show: () => showPolicies(document) };
  },
  plan: async (rpc) => {
    const document = await rpc.call('preview_table_vacuum', {}, listOfTableFacts, {
      retry: repeatLook,
    });
    return { document, show: () => showPlan(document) };
  },
};

function showPolicies(policies: readonly VacuumPolicy[]): void {
  if (policies.length === 0) {
    say('No vacuum policy, and none is needed: every table is vacuumed when it is due.');
    return;
  }
  const rows = policies.map(({ table: name, maxDeadFraction, enabled, gone }) => [
    name,
    maxDeadFraction === null ? 'as usual' : `${Number((100 * maxDeadFraction).toFixed(3))} % dead`,
    gone ? styleText('yellow', 'gone') : enabled ? 'on' : styleText('yellow', 'off'),
  ]);
  console.log(table(['table', 'due from', 'policy'], rows, []));
}

function showPlan(tables: readonly TableFacts[]): void {
  if (tables.length === 0) {
    say('No table needs a vacuum.');
    return;
  }
  const rows = tables.map((facts) => [
    facts.table,
    facts.reason.replace('_', ' '),
    count(facts.deadRows),
    count(facts.liveRows),
    bytes(facts.sizeBytes),
    facts.mayVacuum ? 'yes' : 'no right',
  ]);
  const head = ['table', 'because', 'dead rows', 'live rows', 'size', 'possible'];
  console.log(table(head, rows, [2, 3, 4], ['size', 'live rows']));
  for (const { table: name, detail } of tables) note(`${name}: ${detail}`);
}

function showReport(report: VacuumReport): void {
  // Absent from a report of an earlier release.
  const indexes = report.indexes ?? [];
  if (report.steps.length > 0 || indexes.length === 0) showSteps(report);
  showIndexes(indexes);
  showBloat(report.bloat ?? []);
}

function showIndexes(indexes: readonly IndexStep[]): void {
  if (indexes.length === 0) return;
  const rows = indexes.map((step) => [
    step.index,
    bytes(step.bytesBefore),
    step.bytesAfter === undefined ? '-' : bytes(step.bytesAfter),
    step.durationMs === undefined ? '-' : duration(step.durationMs),
    coloured(step.status),
  ]);
  console.log(table(['index', 'size', 'afterwards', 'took', 'status'], rows, [1, 2, 3]));
  for (const { index, detail, statement, error, fixes } of indexes) {
    if (error) showError(error, `${index}: `);
    else note(`${index}: ${detail}`);
    if (statement) note(`  ${statement}`);
    showFixes(fixes);
  }
}

function showBloat(bloat: readonly Bloat[]): void {
  if (bloat.length === 0) return;
  const rows = bloat.map(({ relation, kind, sizeBytes, bloatBytes, method }) => [
    relation,
    kind,
    bytes(sizeBytes),
    `${method === 'estimate' ? '~' : ''}${bytes(bloatBytes)}`,
  ]);
  console.log(table(['bloated', 'kind', 'size', 'of it empty'], rows, [2, 3]));
  note('What is empty in a table is used by new rows. docs/vacuum.md says what can be done.');
}

function showSteps({ steps, dryRun, heldBy }: VacuumReport): void {
  if (steps.length === 0) {
    say('No table needs a vacuum.');
    return;
  }
  const rows = steps.map((step) => [
    step.table,
    step.reason.replace('_', ' '),
    count(step.deadRowsBefore),
    step.deadRowsAfter === undefined ? '-' : count(step.deadRowsAfter),
    step.durationMs === undefined ? '-' : duration(step.durationMs),
    coloured(step.status),
  ]);
  const head = ['table', 'because', 'dead rows', 'afterwards', 'took', 'status'];
  console.log(table(head, rows, [2, 3], ['took', 'afterwards']));
  for (const { table: name, detail, statement, error, fixes, advice } of steps) {
    if (error) showError(error, `${name}: `);
    else note(`${name}: ${detail}`);
    if (dryRun && statement) note(`  ${statement}`);
    showFixes(fixes);
    if (advice) note(`  Autovacuum may lock out its readers to give space back: ${advice}`);
  }
  if (dryRun && heldBy) showHolder(heldBy);
}

function showHolder({ holder, xids, fix }: Holder): void {
  say(`Rows that died since stay: ${holder} may still see those of ${count(xids)} transactions.`);
  say(`  Fix: ${fix}`);
}
