import { timeMs } from '../_shared/clock.ts';
import type { Page } from '../_shared/document.ts';
import { bytes } from '../_shared/figures.ts';
import { html, Markup } from '../_shared/markup.ts';
import type { Session } from '../_shared/session.ts';
import { actionsOf } from './actions.ts';
import { healthSection } from './health-section.ts';
import { jobsSection, underWay } from './jobs-section.ts';
import { partitionsSection } from './partitions-section.ts';
import { queriesSection } from './queries-section.ts';
import { retentionSection } from './retention-section.ts';
import { fitted, type Room } from './room.ts';
import type { HeadlineLevel, Status } from './schema.ts';
import { script } from './script.ts';
import { styles } from './styles.ts';
import { trendsSection } from './trends-section.ts';
import { viewsSection } from './views-section.ts';
import { ago, fix, state, type Tone, time } from './words.ts';

/** Who looks, and what is there besides the page. */
export interface Viewer {
  /** What leads from the page to the folder of `status`: '' on the page itself, '../../' two levels below. */
  root: string;
  session: Session;
  /** Whether the session can be ended: on the command line there is none. */
  canLeave: boolean;
}

const words: Record<HeadlineLevel, [string, Tone]> = {
  ok: ['all right', 'good'],
  warning: ['look at it', 'warn'],
  critical: ['act now', 'bad'],
};

/** Is everything all right, and if not what, since when, and what to do: then all the rest, worst first. */
export function statusPage(taken: Status, viewer: Viewer): Page {
  const snapshot = withoutItsOwnRun(taken);
  const { level, text } = snapshot.headline;
  const [word] = words[level];
  return {
    title: `${word[0]?.toUpperCase()}${word.slice(1)}: ${text}`,
    level,
    styles,
    body: new Markup(fitted((room) => String(bodyOf(snapshot, viewer, room)))),
    script,
  };
}

/** The health check that takes a snapshot is under way in it, and has always ended when somebody looks. */
function withoutItsOwnRun(snapshot: Status): Status {
  const { runId, jobs } = snapshot;
  const items = jobs.items.map((job) => {
    const runs = job.runs.filter(({ id }) => id !== runId);
    if (job.lastRun?.id !== runId) return { ...job, runs };
    const lastRun = runs.find(({ dryRun }) => !dryRun) ?? null;
    return { ...job, runs, lastRun, state: job.state === 'running' ? ('ok' as const) : job.state };
  });
  return { ...snapshot, jobs: { ...jobs, items } };
}

function bodyOf(snapshot: Status, viewer: Viewer, room: Room): Markup {
  const nowMs = timeMs(snapshot.readAt);
  const { root, session } = viewer;
  const steers = session.access === 'steer';
  const { level, text, since } = snapshot.headline;
  const [word, tone] = words[level];
  const sections: [string, string, Markup | false][] = [
    ['health', 'Health', healthSection(snapshot, nowMs, room)],
    ['retention', 'Retention', retentionSection(snapshot, nowMs, root, room)],
    ['jobs', 'Jobs', jobsSection(snapshot, nowMs, root, steers)],
    ['views', 'Views', viewsSection(snapshot, nowMs, room)],
    ['partitions', 'Partitions', partitionsSection(snapshot, nowMs, room)],
    ['trends', 'Trends', trendsSection(snapshot)],
    ['queries', 'Key queries', queriesSection(snapshot, nowMs)],
  ];
  const there = sections.filter(([, , section]) => section !== false);
  return html`<a class="skip" href="#main">To the content</a>
${banner(viewer, placeOf(snapshot))}
<main id="main">
<div class="verdict ${tone}">
<p>${state(word, tone)} <span class="quiet">${since !== null && html`since ${time(since, nowMs)}`}</span></p>
<h1>${text}</h1>
${pausedNotice(snapshot, nowMs)}
${actionList(snapshot)}
<p class="quiet">As of ${time(snapshot.takenAt, nowMs)}, when the health check last looked.</p>
</div>
<nav aria-label="Sections"><ul>${there.map(([id, title]) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>
${underWay(snapshot.jobs.items, nowMs, root)}
${there.map(([, , section]) => section)}
${steers && pauseForm(snapshot, root)}
</main>
<footer><p>${factsOf(snapshot)}${endOfPause(snapshot, nowMs)}</p></footer>`;
}

/** What is at the top of every page. */
export function banner({ root, session, canLeave }: Viewer, place: Markup | string): Markup {
  return html`<header><div><a class="home" href="${root}status">Nightshift</a> ${place}</div>${
    canLeave &&
    html`<form method="post" action="${root}status/logout"><span>${session.access === 'steer' ? `${session.name}, may start and stop runs` : 'Reading only'}</span> · <button class="link">Log out</button></form>`
  }</header>`;
}

function placeOf({ database, projectUrl }: Status): Markup {
  const host = projectUrl === null ? undefined : URL.parse(projectUrl)?.host;
  return html`<span>${host !== undefined && html`${host}, `}database ${database.name}</span>`;
}

function factsOf({ database, runId }: Status): Markup {
  return html`Postgres ${database.serverVersion}${database.bytes !== null && html`, ${bytes(database.bytes)}`}. Snapshot of health check ${runId.slice(0, 8)}. The same as JSON: <code>GET /status.json</code>.`;
}

function pausedNotice({ paused }: Status, nowMs: number): Markup | false {
  if (paused === null) return false;
  return html`<p class="notice warn"><strong>Nightshift is paused</strong>${paused.since !== null && html`, since ${ago(paused.since, nowMs)}`}${paused.reason !== null && html`: ${paused.reason}`}. No run begins but health checks.</p>`;
}

function endOfPause({ pauseEnded }: Status, nowMs: number): Markup | false {
  if (pauseEnded === null) return false;
  const { at, by } = pauseEnded;
  return html` The last pause was ended ${ago(at, nowMs)}${by !== null && html` by ${by}`}.`;
}

function actionList(snapshot: Status): Markup | false {
  const actions = actionsOf(snapshot);
  if (actions.length === 0) return false;
  return html`<p class="label">What to do</p><ol>${actions.map(({ what, fix: how }) => html`<li>${what}${fix(how)}</li>`)}</ol>`;
}

function pauseForm({ paused }: Status, root: string): Markup {
  return paused === null
    ? html`<section aria-labelledby="pause"><h2 id="pause">Stop everything</h2>
<p>A pause ends every run before its next batch and lets none begin, until someone ends the pause. Health checks go on.</p>
<form method="post" action="${root}status/pause"><p><label for="why">Why</label><input type="text" id="why" name="why" required maxlength="200" autocomplete="off"></p><p><button data-busy="Pausing…">Pause all jobs</button></p></form></section>`
    : html`<section aria-labelledby="pause"><h2 id="pause">End the pause</h2>
<form method="post" action="${root}status/unpause"><p><button data-busy="Ending the pause…">Let jobs run again</button></p></form></section>`;
}
