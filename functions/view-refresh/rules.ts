import { worthRepeating } from '../_shared/errors.ts';
import type { OutcomeStatus } from '../_shared/job.ts';
import type { RefreshStep, StepReason, ViewFacts } from './schema.ts';

export interface PlannedView {
  facts: ViewFacts;
  /** 0 for views that read no other view of the plan, else one more than the deepest of those they read. */
  level: number;
  /** The views of the plan that it reads. */
  reads: string[];
  action: 'refresh' | 'skip' | 'fail' | 'blocked' | 'done';
  reason: StepReason;
  /** The reason in words. */
  detail: string;
}

export interface Scope {
  only: boolean;
  ancestors: boolean;
  descendants: boolean;
  force: boolean;
  /** A schedule leaves alone what is younger than half its max_staleness; whoever asks by hand wants it now. */
  scheduled: boolean;
}

/** What to do with which view and why, each after all that it reads. */
export function planRefresh(views: readonly ViewFacts[], scope: Scope): PlannedView[] {
  const enabled = new Map(views.filter((view) => view.enabled).map((view) => [view.view, view]));
  const chosen = choose(enabled, scope);
  const planned = new Map<string, PlannedView>();
  for (const facts of inOrder(enabled)) {
    if (!chosen.has(facts.view)) continue;
    const above = facts.dependsOn.flatMap((view) => planned.get(view) ?? []);
    planned.set(facts.view, {
      facts,
      level: Math.max(-1, ...above.map(({ level }) => level)) + 1,
      reads: above.map((view) => view.facts.view),
      ...decide(facts, above, scope),
    });
  }
  return [...planned.values()];
}

function choose(views: Map<string, ViewFacts>, scope: Scope): Set<string> {
  if (!scope.only) return new Set(views.keys());
  const named = [...views.values()].filter(({ selected }) => selected).map(({ view }) => view);
  const readers = (view: string) =>
    [...views.values()]
      .filter(({ dependsOn }) => dependsOn.includes(view))
      .map((reader) => reader.view);
  return new Set([
    ...named,
    ...(scope.ancestors ? reach(named, (view) => views.get(view)?.dependsOn ?? []) : []),
    ...(scope.descendants ? reach(named, readers) : []),
  ]);
}

function reach(from: readonly string[], next: (view: string) => string[]): Set<string> {
  const reached = new Set<string>();
  const visit = (view: string): void => {
    if (reached.has(view)) return;
    reached.add(view);
    next(view).forEach(visit);
  };
  from.forEach(visit);
  return reached;
}

function inOrder(views: Map<string, ViewFacts>): ViewFacts[] {
  const ordered = new Set<ViewFacts>();
  const visit = (name: string): void => {
    const view = views.get(name);
    if (!view || ordered.has(view)) return;
    view.dependsOn.forEach(visit);
    ordered.add(view);
  };
  for (const name of views.keys()) visit(name);
  return [...ordered];
}

function decide(
  facts: ViewFacts,
  above: readonly PlannedView[],
  scope: Scope,
): Pick<PlannedView, 'action' | 'reason' | 'detail'> {
  if (facts.refreshed) {
    return { action: 'done', reason: facts.reason, detail: facts.refreshed.detail };
  }
  if (facts.reason === 'gone') return { action: 'fail', reason: 'gone', detail: facts.detail };
  const blocker = above.find(({ action }) => action === 'fail' || action === 'blocked');
  if (blocker)
    return { action: 'blocked', reason: 'blocked', detail: blockedBy(blocker.facts.view) };

  const need = needOf(facts, above, scope);
  if (need.action === 'refresh' && facts.problem) return { ...need, action: 'fail' };
  return need;
}

function needOf(
  facts: ViewFacts,
  above: readonly PlannedView[],
  { force, scheduled }: Scope,
): Pick<PlannedView, 'action' | 'reason' | 'detail'> {
  if (force) return { action: 'refresh', reason: 'forced', detail: 'asked for by hand' };
  const { reason, detail } = facts;
  const first = above.find(({ action }) => action === 'refresh' || action === 'done');
  const changed = reason === 'never' || reason === 'stale' || reason === 'changed';
  if (!changed && first) {
    return {
      action: 'refresh',
      reason: 'upstream',
      detail: `it reads ${first.facts.view}, which is refreshed first`,
    };
  }
  if (!changed) return { action: 'skip', reason, detail };
  const age = facts.stalenessSeconds ?? Number.POSITIVE_INFINITY;
  if (scheduled && reason === 'changed' && !first && 2 * age < (facts.maxStalenessSeconds ?? 0)) {
    return {
      action: 'skip',
      reason: 'fresh',
      detail: `${detail}, but its data is younger than half of the ${facts.maxStaleness} it may be`,
    };
  }
  return { action: 'refresh', reason, detail };
}

export function blockedBy(view: string): string {
  return `blocked by ${view}, which it reads and which was not refreshed`;
}

/** How long it takes, as far as known, from the start of a view to the end of the last that reads it: the longest goes first. */
export function criticalPathMs(view: string, planned: readonly PlannedView[]): number {
  const own = planned.find(({ facts }) => facts.view === view);
  if (!own) return 0;
  const below = planned
    .filter(({ reads }) => reads.includes(view))
    .map((reader) => criticalPathMs(reader.facts.view, planned));
  return (own.facts.usualMs ?? 0) + Math.max(0, ...below);
}

/** How long the API lets a refresh run: nightshift.refresh_view sets it, below the 60 s after which the API gives up. */
export const apiLimitMs = 50_000;

/** A refresh that usually needs more than half of what the API allows goes past it, where that is possible. */
export function wayOf(usualMs: number | null | undefined, hasDirect: boolean): 'api' | 'direct' {
  return hasDirect && (usualMs ?? 0) > apiLimitMs / 2 ? 'direct' : 'api';
}

/** Kept back to write the end of the run. */
const closingMs = 1_000;

/** Whether a view that takes half as long again as it usually does would be done before the deadline. */
export function refreshFits(remainingMs: number, usualMs: number | null | undefined): boolean {
  return remainingMs > closingMs + 1.5 * (usualMs ?? 0);
}

/** What a refresh over the direct connection may take. */
export function directTimeoutMs(remainingMs: number): number {
  return Math.max(Math.min(remainingMs, 2 ** 31 - 1) - closingMs, closingMs);
}

/** A lock that is not to be had within half a second is asked for again, with pauses outside of the transaction. */
export const repeatRefresh = worthRepeating(5);

/**
 * `continued` after progress, or when the first attempt had too little time for any view: the next one may have more.
 * A run that achieves nothing must not call itself again and again.
 */
export function runStatus(
  steps: readonly RefreshStep[],
  { progressed, attempt }: { progressed: boolean; attempt: number },
): OutcomeStatus {
  const bad = steps.filter(({ status }) => ['failed', 'blocked', 'waiting'].includes(status));
  const waiting = bad.some(({ status }) => status === 'waiting');
  if (waiting && (progressed || attempt === 1)) return 'continued';
  if (bad.length === 0) return 'succeeded';
  return bad.length === steps.length ? 'failed' : 'partial';
}
