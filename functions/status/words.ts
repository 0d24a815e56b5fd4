import { isoTime, timeMs } from '../_shared/clock.ts';
import { age, bytes, count, duration, many } from '../_shared/figures.ts';
import { html, type Markup } from '../_shared/markup.ts';
import type { StatusFinding } from './schema.ts';

/** 29 Nov 2026, 02:00 UTC */
const toTheMinute = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  timeZone: 'UTC',
});
const toTheDay = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone: 'UTC' });

/** A time in UTC, and how long ago that was, or will be. */
export function time(iso: string, nowMs: number): Markup {
  return html`<time datetime="${utcIso(iso)}">${utcText(iso)}</time> <span class="quiet">(${relative(iso, nowMs)})</span>`;
}

/** How long ago, with the time itself where a pointer rests on it. */
export function ago(iso: string, nowMs: number): Markup {
  return html`<time datetime="${utcIso(iso)}" title="${utcText(iso)}">${relative(iso, nowMs)}</time>`;
}

export function day(iso: string): Markup {
  return html`<time datetime="${utcIso(iso)}">${toTheDay.format(timeMs(iso))}</time>`;
}

export function utcText(iso: string): string {
  return `${toTheMinute.format(timeMs(iso))} UTC`;
}

function relative(iso: string, nowMs: number): string {
  const seconds = (nowMs - timeMs(iso)) / 1000;
  if (Math.abs(seconds) < 1) return 'now';
  return seconds > 0 ? `${age(seconds)} ago` : `in ${age(-seconds)}`;
}

/** Empty for what is no time. */
function utcIso(iso: string): string {
  const ms = timeMs(iso);
  return Number.isNaN(ms) ? '' : isoTime(ms).replace(/\.\d+Z$/, 'Z');
}

export function measured(value: number, unit: StatusFinding['unit']): string {
  switch (unit) {
    case 'percent':
      return `${count(value)}%`;
    case 'bytes':
      return bytes(value);
    case 'seconds':
      return age(value);
    case 'milliseconds':
      return duration(value);
    case 'days':
      return many(value, 'day');
    case 'times':
      return `${count(value)} ×`;
    case 'count':
      return count(value);
  }
}

export type Tone = 'good' | 'warn' | 'bad' | 'info' | 'quiet';

/** What can be told apart without colour. */
const shapes: Record<Tone, string> = { good: '✓', warn: '!', bad: '✕', info: '▸', quiet: '–' };

/** A state as a word, a shape and a colour. */
export function state(word: string, tone: Tone): Markup {
  return html`<span class="state ${tone}"><span aria-hidden="true">${shapes[tone]}</span> ${word}</span>`;
}

export function shapeOf(tone: Tone): string {
  return shapes[tone];
}

export const runTones: Record<string, Tone> = {
  running: 'info',
  succeeded: 'good',
  continued: 'warn',
  interrupted: 'warn',
  partial: 'warn',
  skipped: 'quiet',
  failed: 'bad',
  lost: 'bad',
};

/** SQL, or a sentence, to be copied; a click selects all of it. */
export function fix(text: string): Markup {
  return html`<pre class="fix" tabindex="0"><code>${text}</code></pre>`;
}
