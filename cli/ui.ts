import { timeMs } from '../functions/_shared/clock.ts';
import type { ErrorDocument } from '../functions/_shared/errors.ts';
import { duration, many, utc } from '../functions/_shared/figures.ts';
import type { Fix } from '../functions/_shared/fix.ts';
import type { RunDocument } from '../functions/_shared/ledger.ts';
import { asCalled, nightshift } from './installation/origin.ts';
import { styleText } from './printable.ts';
import { table } from './table.ts';
import { broken, inWindow, windowColumns } from './window.ts';
import { onCommandLine } from './words.ts';

export { age, bytes, count, duration, many, utc } from '../functions/_shared/figures.ts';

export function printJson(document: unknown): void {
  console.log(asCalled(JSON.stringify(document, null, 2)));
}

export function heading(text: string): void {
  console.log(`\n${styleText('bold', text)}`);
}

export function note(text: string): void {
  console.log(styleText('dim', inWindow(text)));
}

export function say(text: string): void {
  console.log(inWindow(text));
}

/** Lines of at most 100 columns, or as many as the window has. */
export function wrapped(text: string, indent = ''): string {
  const columns = Math.min(windowColumns(), 100) - indent.length - 2;
  return indent + broken(text, columns).join(`\n${indent}  `);
}

/** A fix, and what it offers in a comment as another way. */
export function waysOf(fix: string): { call: string; otherWay: string } {
  const [call = '', otherWay = ''] = fix.split(' -- ').map(onCommandLine);
  return { call, otherWay };
}

export function showFix(fix: string, indent: string): void {
  const { call, otherWay } = waysOf(fix);
  console.log(wrapped(`Fix: ${styleText('cyan', call)}`, indent));
  if (otherWay) note(wrapped(otherWay, indent));
}

/** What is wrong with a policy until someone mends it is said in full by `policies`, and not again by each command. */
export function pointToWarnings(warnings: readonly string[]): void {
  if (warnings.length === 0) return;
  const warned = many(warnings.length, 'warning');
  console.log(styleText('yellow', `${warned} about policies: ${nightshift} policies`));
}

/** What to do about what a step left undone. */
export function showFixes(fixes: readonly Fix[], except: readonly string[] = []): void {
  for (const { subject, fix } of fixes) {
    if (except.includes(subject)) continue;
    console.log(wrapped(`${subject}: ${styleText('cyan', onCommandLine(fix))}`));
  }
}

const colours = {
  succeeded: 'green',
  refreshed: 'green',
  vacuumed: 'green',
  rebuilt: 'green',
  due: 'cyan',
  blocked: 'yellow',
  waiting: 'yellow',
  running: 'cyan',
  continued: 'yellow',
  interrupted: 'yellow',
  partial: 'yellow',
  skipped: 'yellow',
  failed: 'red',
  lost: 'red',
} as const;

export function coloured(status: keyof typeof colours): string {
  return styleText(colours[status], status);
}

/** As much of an id as tells runs apart; commands take it. */
export function shortId({ id }: Pick<RunDocument, 'id'>): string {
  return id.slice(0, 8);
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
    utc(timeMs(run.startedAt)),
    run.finishedAt === null ? '-' : duration(timeMs(run.finishedAt) - timeMs(run.startedAt)),
    shortId(run),
  ]);
  console.log(
    table(
      ['job', 'status', 'trigger', 'started (UTC)', 'took', 'run'],
      rows,
      [],
      ['trigger', 'took', 'started (UTC)'],
    ),
  );
}

export function showError(error: ErrorDocument, prefix = ''): void {
  const show = (text: string) => console.error(inWindow(text));
  show(styleText('red', `${prefix}${error.message} (${error.code})`));
  if (error.detail) show(`  ${onCommandLine(error.detail)}`);
  if (error.hint) show(`  Fix: ${onCommandLine(error.hint)}`);
}
