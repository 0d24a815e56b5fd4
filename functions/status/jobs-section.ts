import { timeMs } from '../_shared/clock.ts';
import { duration } from '../_shared/figures.ts';
import { html, type Markup } from '../_shared/markup.ts';
import type { Status, StatusJob, StatusRun } from './schema.ts';
import { heading, problemOf } from './section.ts';
import { ago, runTones, shapeOf, state, type Tone, time, utcText } from './words.ts';

const states: Record<StatusJob['state'], [string, Tone]> = {
  ok: ['as planned', 'good'],
  running: ['running', 'info'],
  partial: ['left something undone', 'warn'],
  interrupted: ['interrupted', 'warn'],
  neverRan: ['never ran', 'warn'],
  failed: ['failed', 'bad'],
  lost: ['died', 'bad'],
  missed: ['did not run', 'bad'],
  notUsed: ['not used', 'quiet'],
};

/** Twice as long as usual is worth a look; below a second it is noise. */
const slowTimes = 2;
const noiseMs = 1_000;

export function jobsSection(
  { jobs }: Status,
  nowMs: number,
  root: string,
  steers: boolean,
): Markup {
  return html`<section aria-labelledby="jobs">
${heading('jobs', 'Jobs', summaryOf(jobs.items))}
${problemOf(jobs, 'Jobs')}
<div class="cards">${jobs.items.map((job) => cardOf(job, nowMs, root, steers))}</div>
<p class="quiet legend">Runs, newest last: ${state('succeeded', 'good')} ${state('left something undone', 'warn')} ${state('failed or died', 'bad')} ${state('running', 'info')} ${state('skipped', 'quiet')}; dry runs have a dashed edge.</p>
</section>`;
}

function summaryOf(jobs: readonly StatusJob[]): string {
  const bad = jobs.filter(({ state: word }) => states[word][1] === 'bad').length;
  const warn = jobs.filter(({ state: word }) => states[word][1] === 'warn').length;
  const parts = [bad > 0 && `${bad} in trouble`, warn > 0 && `${warn} to look at`];
  return parts.filter(Boolean).join(', ') || 'as planned';
}

function cardOf(job: StatusJob, nowMs: number, root: string, steers: boolean): Markup {
  const [word, tone] = states[job.state];
  const { lastRun, lastError, schedules } = job;
  return html`<article class="card">
<h3>${job.job} ${state(inRow(job, word), tone)}</h3>
<p>${job.purpose}</p>
<dl>
<dt>Schedule</dt><dd>${
    schedules.length === 0
      ? html`<span class="quiet">kept where it is deployed from</span>`
      : schedules.map(
          ({ words, timeZone }, n) =>
            html`${n > 0 && '; '}${words}${timeZone !== 'UTC' && ` ${timeZone}`}`,
        )
  }</dd>
<dt>Next due</dt><dd>${job.nextDueAt === null ? '–' : time(job.nextDueAt, nowMs)}</dd>
<dt>Last success</dt><dd>${job.lastSuccessAt === null ? 'never' : time(job.lastSuccessAt, nowMs)}</dd>
<dt>Took</dt><dd>${tookOf(job, nowMs)}</dd>
</dl>
${
  lastError !== null &&
  html`<p class="notice ${tone}">${lastError.message} <span class="quiet">(${lastError.code})</span>${lastError.hint !== null && html`<br>${lastError.hint}`}</p>`
}
${job.runs.length > 0 && html`<ol class="strip" aria-label="The last ${job.runs.length} runs of ${job.job}">${job.runs.toReversed().map((run) => inStrip(run, root))}</ol>`}
${steers && job.state !== 'notUsed' && html`<p class="actions"><a class="button" href="${root}status/jobs/${job.job}">Run ${job.job}…</a>${lastRun?.finishedAt === null && html` <a class="button" href="${root}status/runs/${lastRun.id}">Cancel the run…</a>`}</p>`}
</article>`;
}

function inRow(
  { failedInRow, partialInRow, lostInRow, state: word }: StatusJob,
  words: string,
): string {
  const times = { failed: failedInRow, partial: partialInRow, lost: lostInRow }[String(word)] ?? 1;
  return times > 1 ? `${words} ${times} times in a row` : words;
}

function tookOf({ lastRun, usualDurationMs }: StatusJob, nowMs: number): Markup | string {
  if (lastRun === null) return '–';
  const endMs = lastRun.finishedAt === null ? nowMs : timeMs(lastRun.finishedAt);
  const tookMs = endMs - timeMs(lastRun.startedAt);
  const isSlow =
    usualDurationMs !== null &&
    tookMs > slowTimes * usualDurationMs &&
    tookMs - usualDurationMs > noiseMs;
  const usual =
    usualDurationMs !== null &&
    html` <span class="quiet">(usually ${duration(usualDurationMs)})</span>`;
  return html`${lastRun.finishedAt === null && 'so far '}${duration(tookMs)}${usual}${isSlow && html` ${state('slower than usual', 'warn')}`}`;
}

function inStrip(run: StatusRun, root: string): Markup {
  const tone = runTones[run.status] ?? 'quiet';
  const took =
    run.finishedAt === null
      ? ''
      : `, took ${duration(timeMs(run.finishedAt) - timeMs(run.startedAt))}`;
  const words = `${run.dryRun ? 'dry run ' : ''}${run.status}, ${utcText(run.startedAt)}${took}`;
  const shape = html`<span aria-hidden="true">${tone === 'good' ? '' : shapeOf(tone)}</span><span class="unseen">${words}</span>`;
  const classes = `${tone}${run.dryRun ? ' dry' : ''}`;
  return html`<li><a class="${classes}" href="${root}status/runs/${run.id}" title="${words}">${shape}</a></li>`;
}

/** Runs that are under way, which a script keeps up to date where there is one. */
export function underWay(
  jobs: Status['jobs']['items'],
  nowMs: number,
  root: string,
): Markup | false {
  const running = jobs.flatMap(({ job, runs }) =>
    runs
      .filter(({ finishedAt, status }) => finishedAt === null && status === 'running')
      .map((run) => ({ job, run })),
  );
  if (running.length === 0) return false;
  return html`<section aria-labelledby="now"><h2 id="now">Under way</h2><ul>${running.map(
    ({ job, run }) =>
      html`<li><a href="${root}status/runs/${run.id}">${job}</a>${run.dryRun && ' (dry run)'}, began ${ago(run.startedAt, nowMs)}: <span data-live="${root}status/runs/${run.id}/progress">see its page</span></li>`,
  )}</ul></section>`;
}
