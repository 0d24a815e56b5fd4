import { count, many } from '../_shared/figures.ts';
import { html, type Markup } from '../_shared/markup.ts';
import type { Room } from './room.ts';
import type { Status, StatusFinding } from './schema.ts';
import { heading, more, problemOf } from './section.ts';
import { ago, fix, measured, state, type Tone, time } from './words.ts';

const tones: Record<StatusFinding['level'], Tone> = {
  critical: 'bad',
  warning: 'warn',
  unknown: 'warn',
  info: 'info',
  ok: 'good',
};

/** Worst first, each with its value, threshold, since when, why, and the fix. */
export function healthSection({ health }: Status, nowMs: number, room: Room): Markup {
  const { healthy } = health;
  const items = health.items.slice(0, room.findings);
  return html`<section aria-labelledby="health">
${heading('health', 'Health', summaryOf(health))}
${problemOf(health, 'Health')}
${items.map((finding) => findingOf(finding, nowMs))}
${more(health, 'findings', items.length)}
${
  healthy.length > 0 &&
  html`<details><summary>${many(healthy.length, 'check')} found nothing</summary><ul class="columns">${healthy.map(
    ({ title, healthy: words, checkedAt }) =>
      html`<li><strong>${title}</strong>: ${words} <span class="quiet">(${ago(checkedAt, nowMs)})</span></li>`,
  )}</ul></details>`
}
</section>`;
}

function summaryOf({ counts }: Status['health']): string {
  const parts = (['critical', 'warning', 'unknown', 'info'] as const).flatMap((level) =>
    (counts[level] ?? 0) > 0 ? [`${count(counts[level] ?? 0)} ${level}`] : [],
  );
  return parts.join(', ') || 'nothing found';
}

function findingOf(finding: StatusFinding, nowMs: number): Markup {
  const { title, subject, level, why, detail, since, levelSince } = finding;
  return html`<article class="finding ${tones[level]}">
<h3>${state(level, tones[level])} ${title}${subject !== null && html`: <code>${subject}</code>`}</h3>
<p>${valueBesideThreshold(finding)}${detail !== null && html` ${detail}`}</p>
<p class="quiet">Since ${time(since, nowMs)}${levelSince !== since && html`, ${level} since ${time(levelSince, nowMs)}`}. ${why}</p>
${finding.fix !== null && html`<p class="label">What to do</p>${fix(finding.fix)}`}
</article>`;
}

function valueBesideThreshold({
  value,
  unit,
  threshold,
  worse,
  level,
}: StatusFinding): Markup | false {
  if (value === null) return false;
  const limit =
    threshold !== null &&
    html` <span class="quiet">(${level} ${worse === 'higher' ? 'from' : 'below'} ${measured(threshold, unit)})</span>`;
  return html`<strong class="value">${measured(value, unit)}</strong>${limit}`;
}
