import type { Rpc } from '../../functions/_shared/rpc.ts';
import { readHealth } from '../../functions/health-check/read.ts';
import { countLevels, worstFirst } from '../../functions/health-check/rules.ts';
import {
  type HealthDocument,
  type HealthReport,
  healthDocument,
  type Level,
  levels,
} from '../../functions/health-check/schema.ts';
import { nightshift } from '../installation/origin.ts';
import { styleText } from '../printable.ts';
import { table } from '../table.ts';
import { age, bytes, count, duration, note, say } from '../ui.ts';
import { broken, windowColumns } from '../window.ts';
import { runCommands } from '../words.ts';
import type { Presenter } from './presenter.ts';

export const presenter: Presenter<HealthReport> = {
  title: 'Health',
  showReport,
};

/** All checks, as they are at this moment; nothing is written. */
export async function lookAtHealth(rpc: Rpc, only?: string[]): Promise<HealthDocument> {
  const document = await readHealth(
    (scope) =>
      rpc.call(
        'get_health',
        { quick: scope.quick, ...(scope.only ? { only_checks: scope.only } : {}) },
        healthDocument,
      ),
    { only, quick: false },
  );
  return { ...document, checks: worstFirst(document.checks) };
}

type Shown = HealthReport['checks'][number];

const colours = {
  critical: 'red',
  warning: 'yellow',
  unknown: 'magenta',
  info: 'cyan',
  ok: 'green',
} as const satisfies Record<Level, string>;

function coloured(level: Level): string {
  return styleText(colours[level], level);
}

/** What is not well; with `all`, what is well too. */
export function showHealth({ checks }: HealthDocument, { all = false } = {}): void {
  showFindings(checks.filter(({ level }) => level !== 'ok'));
  const healthy = checks.filter(({ level, off }) => level === 'ok' && !off);
  if (all && healthy.length > 0) {
    const rows = healthy.map((check) => [check.name, check.healthy]);
    console.log(table(['check', 'all is well'], rows, []));
  }
  const off = checks.filter((check) => check.off).map(({ name }) => name);
  if (off.length > 0) note(`Switched off with set_health_threshold: ${off.join(', ')}`);
  showCounts(countLevels(checks.filter((check) => !check.off).map(({ level }) => level)));
  if (!all && healthy.length > 1) note(`The healthy ones: ${nightshift} health --all`);
}

function showReport({ checks, counts, notRun }: HealthReport): void {
  showFindings(checks);
  showCounts(counts);
  if (notRun.length > 0) note(`No time was left for ${notRun.join(', ')}.`);
}

function showCounts(counts: Record<Level, number>): void {
  const parts = (Object.entries(counts) as [Level, number][])
    .toReversed()
    .filter(([, number]) => number > 0)
    .map(([level, number]) => `${number} ${coloured(level)}`);
  console.log(`Checks: ${parts.join(', ')}`);
}

/** A table of what is wrong, worst first; below it the details, why each matters and what mends it. */
function showFindings(checks: Shown[]): void {
  if (checks.length === 0) return;
  const rows = checks
    .flatMap((check) => check.findings.map((finding) => ({ check, finding })))
    .toSorted((a, b) => levels.indexOf(b.finding.level) - levels.indexOf(a.finding.level))
    .map(({ check, finding }) => [
      coloured(finding.level),
      check.name,
      finding.subject ?? '-',
      measured(finding.value, check.unit),
    ]);
  console.log(table(['level', 'check', 'subject', 'value'], rows, [3]));
  for (const check of checks) explain(check);
  console.log();
}

/** Each finding with its fix; one that mends several comes after the last of them. */
function explain({ name, title, level, why, findings, findingsTotal }: Shown): void {
  console.log(`\n${coloured(level)} ${styleText('bold', title)} (${name})`);
  note(`  ${why}`);
  for (const [place, { subject, detail, fix }] of findings.entries()) {
    if (detail) say(`  ${subject ? `${subject}: ` : ''}${detail}`);
    const comesAgain = findings.slice(place + 1).some((later) => later.fix === fix);
    if (fix && !comesAgain) showFix(fix);
  }
  const more = findingsTotal - findings.length;
  if (more > 0) note(`  and ${count(more)} more: ${nightshift} health ${name}`);
}

/** To be pasted: a line of it stays a line, and what does not fit the window is broken as what it is, SQL or a comment. */
function showFix(fix: string): void {
  const lines = runCommands(fix)
    .split('\n')
    .flatMap(inColumns(windowColumns() - label.length));
  for (const [n, line] of lines.entries()) {
    console.log(`${n === 0 ? label : ' '.repeat(label.length)}${styleText('cyan', line)}`);
  }
}

const label = '  Fix: ';

const inColumns =
  (columns: number) =>
  (line: string): string[] => {
    const commented = (text: string) => broken(text, columns - 3).map((part) => `-- ${part}`);
    if (line.length <= columns) return [line];
    if (line.startsWith('-- ')) return commented(line.slice(3));
    const [, sql = line, comment] = /^((?:[^'"]|'[^']*'|"[^"]*")*;) -- (.*)$/.exec(line) ?? [];
    const parts = broken(sql, columns - 2).map((part, n) => (n === 0 ? part : `  ${part}`));
    return comment === undefined ? parts : [...parts, ...commented(comment)];
  };

const formats: Record<Shown['unit'], (value: number) => string> = {
  percent: (value) => `${Number(value.toFixed(1))} %`,
  bytes,
  seconds: age,
  milliseconds: duration,
  days: (value) => `${Number(value.toFixed(1))} days`,
  times: (value) => `${Number(value.toFixed(1))} ×`,
  count,
};

function measured(value: number | null, unit: Shown['unit']): string {
  return value === null ? '-' : formats[unit](value);
}
