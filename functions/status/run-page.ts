import * as z from 'zod';
import { timeMs } from '../_shared/clock.ts';
import type { Page } from '../_shared/document.ts';
import { age, bytes, count, duration, many } from '../_shared/figures.ts';
import { type RunDocument, storedError } from '../_shared/ledger.ts';
import { html, type Markup } from '../_shared/markup.ts';
import { progressInWords } from '../_shared/progress.ts';
import { isConfirmable } from '../_shared/steering.ts';
import { banner, type Viewer } from './page.ts';
import { script } from './script.ts';
import { more, tableOf } from './section.ts';
import { styles } from './styles.ts';
import { fix, runTones, state, type Tone, time } from './words.ts';

const fixes = z.array(z.object({ subject: z.string(), fix: z.string() }));

/** What all steps have in common, whichever job they are of; all else that is a number is shown under its name. */
const step = z.looseObject({
  relation: z.string().optional(),
  view: z.string().optional(),
  index: z.string().optional(),
  table: z.string().optional(),
  status: z.string().optional(),
  outcome: z.string().optional(),
  reason: z.string().optional(),
  detail: z.string().optional(),
  error: storedError.optional(),
  fixes: fixes.default([]),
  warnings: z.array(z.string()).default([]),
});
type Step = z.output<typeof step>;

const report = z.looseObject({
  steps: z.array(step).default([]),
  /** Those that were to be rebuilt. */
  indexes: z.array(step).default([]),
  /** Why the run was skipped. */
  message: z.string().optional(),
});

const mostSteps = 100;

/** One run: what it did, how far it is, and what is left and why. */
export function runPage(run: RunDocument, viewer: Viewer, nowMs: number): Page {
  const { root, session } = viewer;
  const isRunning = isUnderWay(run);
  const {
    steps: ofTables,
    indexes,
    message,
    ...totals
  } = report.catch({ steps: [], indexes: [] }).parse(run.report ?? {});
  const steps = [...ofTables, ...indexes];
  const inAll = inTotal(
    { ...totals, indexesRebuilt: having('rebuilt', indexes), due: having('due', steps) },
    run.dryRun,
  );
  const error = storedError.safeParse(run.error).data;
  const tone = runTones[run.status] ?? 'quiet';
  const steers = session.access === 'steer';
  const title = `${run.dryRun ? 'Dry run' : 'Run'} of ${run.job}`;
  const body = html`<a class="skip" href="#main">To the content</a>
${banner(viewer, 'a run')}
<main id="main">
<div class="verdict ${tone}">
<p>${state(run.status, tone)}</p>
<h1>${title}</h1>
<p>${inOneLine(run, root, message, inAll)}</p>
${error !== undefined && html`<p class="notice ${tone}">${error.message} <span class="quiet">(${error.code})</span>${error.detail !== undefined && html`<br>${error.detail}`}${error.hint !== undefined && html`<br>${error.hint}`}</p>`}
</div>
<dl>
<dt>Run</dt><dd><code>${run.id}</code></dd>
<dt>Began</dt><dd>${time(run.startedAt, nowMs)}</dd>
<dt>Ended</dt><dd>${run.finishedAt === null ? 'not yet' : html`${time(run.finishedAt, nowMs)}, after ${duration(timeMs(run.finishedAt) - timeMs(run.startedAt))}`}</dd>
<dt>Started by</dt><dd>${run.trigger}${run.requestedBy !== null && html`: ${run.requestedBy}`}</dd>
${run.attempt > 1 && html`<dt>Attempts</dt><dd>${run.attempt}</dd>`}
${run.cancelRequestedAt !== null && html`<dt>Cancelled</dt><dd>${time(run.cancelRequestedAt, nowMs)}${run.cancelRequestedBy !== null && html` by ${run.cancelRequestedBy}`}${isRunning && '; it ends before its next batch, and until then its work goes on'}</dd>`}
<dt>Asked for</dt><dd><code>${JSON.stringify(run.input)}</code></dd>
</dl>
${steers && isRunning && run.cancelRequestedAt === null && cancelForm(run, root)}
${steps.length > 0 && stepsOf(steps, run.dryRun)}
${steers && isConfirmable(run, nowMs) && confirmation(run, root)}
<p class="actions"><a href="${root}status">Back to the status</a></p>
</main>`;
  return {
    title: `${title}: ${run.status}`,
    level: tone === 'bad' ? 'critical' : tone === 'warn' ? 'warning' : 'ok',
    styles,
    body,
    script,
  };
}

function inOneLine(run: RunDocument, root: string, message: string | undefined, inAll: string) {
  const { id, status, progress, dryRun } = run;
  if (isUnderWay(run)) {
    return html`<span data-live="${root}status/runs/${id}/progress">${progressInWords(progress)}</span>`;
  }
  if (status === 'lost') return progressInWords(progress);
  if (status === 'skipped' && message !== undefined) return message;
  return html`${dryRun && 'Nothing was changed. What a run would do: '}${inAll}`;
}

function isUnderWay({ status }: RunDocument): boolean {
  return status === 'running' || status === 'continued';
}

const stepTones: Record<string, Tone> = {
  ...runTones,
  refreshed: 'good',
  vacuumed: 'good',
  rebuilt: 'good',
  unchanged: 'good',
  due: 'info',
  waiting: 'warn',
  blocked: 'warn',
  skipped: 'warn',
};

function stepsOf(all: readonly Step[], isDry: boolean): Markup {
  const steps = all.slice(0, mostSteps);
  const calm = steps.filter((one) => toneOf(one) === 'good' && wordsOf(one).length === 0);
  const others = steps.filter((one) => !calm.includes(one));
  return html`<section aria-labelledby="steps"><h2 id="steps">Steps <span class="summary">${count(all.length)}</span></h2>
${others.map((one) => inFull(one, isDry))}
${
  calm.length > 0 &&
  tableOf(
    'Steps',
    ['Step', 'State', isDry ? 'What would be done' : 'What was done'],
    calm.map((one) => [
      html`<code>${nameOf(one)}</code>`,
      state(wordOf(one), toneOf(one)),
      inTotal(one, isDry),
    ]),
  )
}
${more({ items: all, total: all.length }, 'steps', steps.length)}</section>`;
}

const nameOf = ({ relation, view, index, table }: Step) => relation ?? view ?? index ?? table ?? '';
const wordOf = ({ status, outcome }: Step) => status ?? outcome ?? 'done';
const having = (word: string, steps: readonly Step[]) =>
  steps.filter((one) => wordOf(one) === word).length;
const toneOf = (one: Step) => stepTones[wordOf(one)] ?? 'quiet';

/** What is to be read of a step: why something is left, what to do, what went wrong. */
function wordsOf({ reason, detail, warnings, error, fixes: hints }: Step): Markup[] {
  return [
    ...[detail, sentence(reason), ...warnings].flatMap((text) =>
      text === undefined ? [] : [html`<p class="quiet">${text}</p>`],
    ),
    ...(error === undefined
      ? []
      : [
          html`<p class="notice bad">${error.message} <span class="quiet">(${error.code})</span>${error.hint !== undefined && html`<br>${error.hint}`}</p>`,
        ]),
    ...hints.map(({ subject, fix: how }) => html`<p class="label">${subject}</p>${fix(how)}`),
  ];
}

function inFull(one: Step, isDry: boolean): Markup {
  const tone = toneOf(one);
  return html`<article class="finding ${tone}">
<h3>${state(wordOf(one), tone)} <code>${nameOf(one)}</code></h3>
<p>${wordOf(one) === 'due' ? inFigures(one, isDry) : inTotal(one, isDry)}</p>
${wordsOf(one)}
</article>`;
}

/** Some jobs have a word of their own there, which says less than the detail beside it. */
function sentence(reason: string | undefined): string | undefined {
  return reason?.includes(' ') ? reason : undefined;
}

function inTotal(figures: Record<string, unknown>, isDry: boolean): string {
  return inFigures(figures, isDry) || (isDry ? 'nothing' : 'Nothing was done.');
}

/** Figures that are not zero, and what was made or taken away, under the names that the report has for them. */
function inFigures(figures: Record<string, unknown>, isDry: boolean): string {
  const parts = Object.entries(figures).flatMap(([name, value]) => {
    if (ofTheWork.has(name) || (isDry && name === 'rowsLeft')) return [];
    if (typeof value === 'number' && value !== 0) {
      return [`${figures[`${name}Exact`] === false ? '~' : ''}${inWords(name, value)}`];
    }
    if (!listed.has(name) || !Array.isArray(value) || value.length === 0) return [];
    return [inWords(name, value.length)];
  });
  return parts.join(', ');
}

const listed = new Set(['created', 'retired', 'dropped', 'blocked', 'kept', 'checks']);

/** How it was done, and not what. */
const ofTheWork = new Set([
  'batches',
  'pacedMs',
  'timedOutMs',
  'durationMs',
  'deadRowsBefore',
  'freezeAgeBefore',
]);

function inWords(name: string, value: number): string {
  const [, when] = /^bytes(Before|After)$/.exec(name) ?? [];
  if (when !== undefined) return `${bytes(value)} ${when.toLowerCase()}`;
  const [, noun = name, unit] = /^(.*?)(Ms|Seconds|Bytes|Days)?$/.exec(name) ?? [];
  const words = noun.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  switch (unit) {
    case 'Ms':
      return `${words} ${duration(value)}`;
    case 'Seconds':
      return `${words} ${age(value)}`;
    case 'Bytes':
      return `${words} ${bytes(value)}`;
    case 'Days':
      return `${words} ${many(Math.floor(value), 'day')}`;
    default:
      return `${count(value)} ${words}`;
  }
}

function cancelForm({ id }: RunDocument, root: string): Markup {
  return html`<form method="post" action="${root}status/runs/${id}/cancel"><p><label for="why">Why it should end</label><input type="text" id="why" name="why" required maxlength="200" autocomplete="off"></p><p><button class="act" data-busy="Cancelling…">Cancel this run</button></p><p class="quiet">It ends before its next batch, view or partition. What it has done stays.</p></form>`;
}

/** The dry run has just said what would go, so this is where one may say yes to it. */
function confirmation({ id, job }: RunDocument, root: string): Markup {
  return html`<section aria-labelledby="confirm"><h2 id="confirm">Do it</h2>
<p>A run of ${job} now would do what stands above, and what has become due since.</p>
<form method="post" action="${root}jobs/${job}/runs"><input type="hidden" name="confirms" value="${id}"><p><label for="why">Why</label><input type="text" id="why" name="why" required maxlength="200" autocomplete="off"></p><p><button class="act" data-busy="Running…">Run ${job} now</button></p></form></section>`;
}
