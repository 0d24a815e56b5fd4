import * as z from 'zod';
import { timeMs } from '../_shared/clock.ts';
import type { Page } from '../_shared/document.ts';
import { count, duration } from '../_shared/figures.ts';
import { type RunDocument, storedError } from '../_shared/ledger.ts';
import { html, type Markup } from '../_shared/markup.ts';
import { progressInWords } from '../_shared/progress.ts';
import { isConfirmable } from '../_shared/steering.ts';
import { banner, type Viewer } from './page.ts';
import { script } from './script.ts';
import { styles } from './styles.ts';
import { fix, runTones, state, type Tone, time } from './words.ts';

const fixes = z.array(z.object({ subject: z.string(), fix: z.string() }));

/** What all steps have in common, whichever job they are of; all else that is a number is shown under its name. */
const step = z.looseObject({
  relation: z.string().optional(),
  view: z.string().optional(),
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

const report = z.looseObject({ steps: z.array(step).default([]) });

const mostSteps = 100;

/** One run: what it did, how far it is, and what is left and why. */
export function runPage(run: RunDocument, viewer: Viewer, nowMs: number): Page {
  const { root, session } = viewer;
  const isRunning = run.status === 'running' || run.status === 'continued';
  const { steps, ...totals } = report.catch({ steps: [] }).parse(run.report ?? {});
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
<p>${isRunning ? html`<span data-live="${root}status/runs/${run.id}/progress">${progressInWords(run.progress)}</span>` : inTotal(totals)}</p>
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
${steers && isConfirmable(run, nowMs) && confirmation(run, root)}
${steps.length > 0 && html`<section aria-labelledby="steps"><h2 id="steps">Steps <span class="summary">${count(steps.length)}</span></h2>${steps.slice(0, mostSteps).map(inSteps)}${steps.length > mostSteps && html`<p class="quiet">${count(steps.length - mostSteps)} more are not shown here.</p>`}</section>`}
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

const stepTones: Record<string, Tone> = {
  ...runTones,
  refreshed: 'good',
  vacuumed: 'good',
  unchanged: 'good',
  due: 'info',
  waiting: 'warn',
  blocked: 'warn',
  skipped: 'warn',
};

function inSteps(one: Step): Markup {
  const word = one.status ?? one.outcome ?? 'done';
  const tone = stepTones[word] ?? 'quiet';
  const why = [
    one.detail,
    one.reason === one.detail ? undefined : sentence(one.reason),
    ...one.warnings,
  ];
  return html`<article class="finding ${tone}">
<h3>${state(word, tone)} <code>${one.relation ?? one.view ?? one.table ?? ''}</code></h3>
<p>${inTotal(one)}</p>
${why.map((text) => text !== undefined && html`<p class="quiet">${text}</p>`)}
${one.error !== undefined && html`<p class="notice bad">${one.error.message} <span class="quiet">(${one.error.code})</span>${one.error.hint !== undefined && html`<br>${one.error.hint}`}</p>`}
${one.fixes.map(({ subject, fix: how }) => html`<p class="label">${subject}</p>${fix(how)}`)}
</article>`;
}

/** Some jobs have a word of their own there, which says less than the detail beside it. */
function sentence(reason: string | undefined): string | undefined {
  return reason?.includes(' ') ? reason : undefined;
}

/** Figures that are not zero, and what was made or taken away, under the names that the report has for them. */
function inTotal(figures: Record<string, unknown>): string {
  const parts = Object.entries(figures).flatMap(([name, value]) => {
    const words = name
      .replace(/Ms$/, '')
      .replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    if (typeof value === 'number' && value !== 0) {
      return [`${words} ${name.endsWith('Ms') ? duration(value) : count(value)}`];
    }
    if (listed.has(name) && Array.isArray(value) && value.length > 0) {
      return [`${words} ${count(value.length)}`];
    }
    return [];
  });
  return parts.join(', ') || 'Nothing was done.';
}

const listed = new Set(['created', 'retired', 'dropped', 'blocked', 'kept', 'checks']);

function cancelForm({ id }: RunDocument, root: string): Markup {
  return html`<form method="post" action="${root}status/runs/${id}/cancel"><p><label for="why">Why it should end</label><input type="text" id="why" name="why" required maxlength="200" autocomplete="off"></p><p><button class="act" data-busy="Cancelling…">Cancel this run</button></p><p class="quiet">It ends before its next batch, view or partition. What it has done stays.</p></form>`;
}

/** The dry run has just said what would go, so this is where one may say yes to it. */
function confirmation({ id, job }: RunDocument, root: string): Markup {
  return html`<section aria-labelledby="confirm"><h2 id="confirm">Do it</h2>
<p>Nothing was changed yet. A run of ${job} now would do what stands below, and what has become due since.</p>
<form method="post" action="${root}jobs/${job}/runs"><input type="hidden" name="confirms" value="${id}"><p><label for="why">Why</label><input type="text" id="why" name="why" required maxlength="200" autocomplete="off"></p><p><button class="act" data-busy="Running…">Run ${job} now</button></p></form></section>`;
}
