import { timeMs } from '../_shared/clock.ts';
import { count } from '../_shared/figures.ts';
import { html, type Markup } from '../_shared/markup.ts';
import { sparkline } from './charts.ts';
import type { Room } from './room.ts';
import type { Status, StatusPolicy } from './schema.ts';
import { heading, more, problemOf, tableOf } from './section.ts';
import { ago, day, fix, state, type Tone, time } from './words.ts';

const tones: Record<StatusPolicy['verdict'], Tone> = {
  stalled: 'bad',
  unknown: 'warn',
  behind: 'warn',
  held: 'info',
  kept: 'good',
  off: 'quiet',
};

/** Was the promise kept? Each policy that was not says by how much, since when, and what to do. */
export function retentionSection(
  { retention }: Status,
  nowMs: number,
  root: string,
  room: Room,
): Markup {
  const { items } = retention;
  const troubled = items.filter(needsWords).slice(0, room.policiesInFull);
  const rest = items.filter((policy) => !troubled.includes(policy)).slice(0, room.policies);
  return html`<section aria-labelledby="retention">
${heading('retention', 'Retention', summaryOf(retention))}
${problemOf(retention, 'Retention')}
${retention.total === 0 && html`<p>No table has a retention policy, so nothing is ever deleted. Declare one:</p>${fix("select nightshift.add_retention_policy('public.orders', '90 days');")}`}
${troubled.map((policy) => inFull(policy, nowMs, root))}
${
  rest.length > 0 &&
  tableOf(
    'Retention policies',
    ['Table', 'Verdict', 'Keeps', 'Deleted last', 'Counted'],
    rest.map((policy) => [
      html`<code>${policy.table}</code>`,
      html`${state(policy.verdict, tones[policy.verdict])}${policy.verdict !== 'kept' && html`<span class="quiet sentence">${policy.sentence}</span>`}`,
      policy.dropAfter,
      policy.purgedLast === null ? '–' : count(policy.purgedLast),
      policy.countedAt === null ? 'never' : ago(policy.countedAt, nowMs),
    ]),
  )
}
${more(retention, 'policies', troubled.length + rest.length)}
</section>`;
}

/** One line says all there is to say of the others. */
function needsWords({ verdict, fix: how }: StatusPolicy): boolean {
  return verdict === 'stalled' || verdict === 'behind' || how !== null;
}

function summaryOf({ counts, total }: Status['retention']): string {
  const parts = (['stalled', 'unknown', 'behind', 'held', 'kept', 'off'] as const).flatMap(
    (verdict) => ((counts[verdict] ?? 0) > 0 ? [`${count(counts[verdict] ?? 0)} ${verdict}`] : []),
  );
  return parts.join(', ') || (total === 0 ? 'no policy' : '');
}

function inFull(policy: StatusPolicy, nowMs: number, root: string): Markup {
  const {
    table,
    verdict,
    sentence,
    since,
    dropAfter,
    oldestDueAt,
    held,
    runId,
    countedAt,
    residue,
  } = policy;
  return html`<article class="finding ${tones[verdict]}">
<h3>${state(verdict, tones[verdict])} <code>${table}</code></h3>
<div class="beside"><div>
<p>${sentence}</p>
<p class="quiet">Keeps ${dropAfter}.${since !== null && html` Since ${time(since, nowMs)}.`}${
    oldestDueAt !== null && html` The oldest row left was due ${time(oldestDueAt, nowMs)}.`
  }${countedAt !== null && html` ${residue === null ? 'Looked at' : 'Counted'} ${ago(countedAt, nowMs)}${runId !== null && html` by <a href="${root}status/runs/${runId}">run ${runId.slice(0, 8)}</a>`}.`}</p>
${
  held.length > 0 &&
  html`<ul>${held.map(({ why, by, rows }) => html`<li>${count(rows)} rows ${reasons[why]}${by !== null && html`: <code>${by}</code>`}</li>`)}</ul>`
}
</div>${backlogOf(policy)}</div>
${policy.fix !== null && html`<p class="label">What to do</p>${fix(policy.fix)}`}
</article>`;
}

const reasons = {
  needed: 'are needed by rows that stay',
  kept: 'stay because the policy says so',
  refused: 'are not let go',
  undecided: 'are referred to by too many rows to decide',
};

function backlogOf({ table, backlog }: StatusPolicy): Markup | false {
  if (backlog.filter(({ rows }) => rows !== null).length < 2) return false;
  const points = backlog.map(({ day: at, rows }) => ({ atMs: timeMs(at), value: rows }));
  const days = backlog.slice(-14).toReversed();
  return html`<figure>${sparkline(points, { title: `Rows that are due and left in ${table}, day by day` })}
<figcaption>Rows left, day by day</figcaption>
<details><summary>Figures</summary>${tableOf(
    `Rows left in ${table}`,
    ['Day', 'Rows left'],
    days.map(({ day: at, rows }) => [day(at), rows === null ? 'not counted' : count(rows)]),
  )}</details></figure>`;
}
