import { callOf } from '../_shared/fix.ts';
import { inOrder } from '../_shared/graph.ts';
import type { StepReason, ViewFacts } from './schema.ts';

export interface PlannedView {
  facts: ViewFacts;
  /** 0 for a view that reads no other view of the plan, otherwise one more than the highest level it reads. */
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
  /**
   * The expected time until the next scheduled run; null unless this run is scheduled. A scheduled run skips a change
   * that the next one will still catch in time.
   */
  nextRunSeconds: number | null;
}

type Decision = Pick<PlannedView, 'action' | 'reason' | 'detail'>;

/** Decides what to do with each view and why, in the order of what they read. */
export function planRefresh(views: readonly ViewFacts[], scope: Scope): PlannedView[] {
  const enabled = views.filter((view) => view.enabled);
  const byName = new Map(enabled.map((view) => [view.view, view]));
  const readBy = ({ dependsOn }: ViewFacts) => dependsOn.flatMap((name) => byName.get(name) ?? []);
  const ordered = inOrder(enabled, readBy);
  const chosen = scope.only ? choose(enabled, readBy, scope) : new Set(enabled);
  const slacks = slacksSeconds(ordered);

  const planned = new Map<ViewFacts, PlannedView>();
  for (const facts of ordered) {
    if (!chosen.has(facts)) continue;
    const above = readBy(facts).flatMap((view) => planned.get(view) ?? []);
    const leftOut = readBy(facts).find((view) => isChange(view.reason) && !chosen.has(view));
    planned.set(facts, {
      facts,
      level: Math.max(-1, ...above.map(({ level }) => level)) + 1,
      reads: above.map((view) => view.facts.view),
      ...mention(facts.view, leftOut, decide(facts, above, scope, slacks.get(facts.view) ?? 0)),
    });
  }
  return [...planned.values()];
}

/** The views named by `only`, with their ancestors or descendants if requested. */
function choose(
  views: readonly ViewFacts[],
  readBy: (view: ViewFacts) => ViewFacts[],
  { ancestors, descendants }: Scope,
): Set<ViewFacts> {
  const named = views.filter(({ selected }) => selected);
  const readersOf = (view: ViewFacts) => views.filter((reader) => readBy(reader).includes(view));
  return new Set([
    ...named,
    ...(ancestors ? inOrder(named, readBy) : []),
    ...(descendants ? inOrder(named, readersOf) : []),
  ]);
}

/** A skipped view may still be out of date because of a view that it reads and that `only` left out. */
function mention(view: string, leftOut: ViewFacts | undefined, decision: Decision): Decision {
  if (!leftOut || decision.action !== 'skip') return decision;
  const withAncestors = callOf('view-refresh', { only: [view], ancestors: true });
  const note = `but ${leftOut.view}, which it reads, has to be: ${withAncestors}`;
  return { ...decision, detail: `${decision.detail}; ${note}` };
}

function decide(
  facts: ViewFacts,
  above: readonly PlannedView[],
  scope: Scope,
  slackSeconds: number,
): Decision {
  if (facts.refreshed) {
    const { reason, detail } = facts.refreshed;
    return { action: 'done', reason, detail };
  }
  if (facts.reason === 'gone') return { action: 'fail', reason: 'gone', detail: facts.detail };
  const blocker = above.find(({ action }) => action === 'fail' || action === 'blocked');
  if (blocker) {
    return { action: 'blocked', reason: 'blocked', detail: blockedBy(blocker.facts.view) };
  }
  const need = needOf(facts, above, scope, slackSeconds);
  const impossible = facts.problem || facts.timedOutInRun;
  return need.action === 'refresh' && impossible ? { ...need, action: 'fail' } : need;
}

/** How long until each view, or any view that reads it, exceeds its max_staleness. */
function slacksSeconds(ordered: readonly ViewFacts[]): Map<string, number> {
  const slacks = new Map<string, number>();
  for (const {
    view,
    dependsOn,
    stalenessSeconds = 0,
    maxStalenessSeconds = 0,
  } of ordered.toReversed()) {
    const own = Math.min(slacks.get(view) ?? Infinity, maxStalenessSeconds - stalenessSeconds);
    slacks.set(view, own);
    for (const read of dependsOn) slacks.set(read, Math.min(slacks.get(read) ?? Infinity, own));
  }
  return slacks;
}

function isChange(reason: ViewFacts['reason']): boolean {
  return reason === 'never' || reason === 'stale' || reason === 'changed';
}

function needOf(
  { reason, detail, maxStaleness }: ViewFacts,
  above: readonly PlannedView[],
  { force, nextRunSeconds }: Scope,
  slackSeconds: number,
): Decision {
  if (force) return { action: 'refresh', reason: 'forced', detail: 'asked for by hand' };
  const first = above.find(({ action }) => action === 'refresh' || action === 'done');
  if (!isChange(reason)) {
    if (!first) return { action: 'skip', reason, detail };
    const upstream = `it reads ${first.facts.view}, which is refreshed first`;
    return { action: 'refresh', reason: 'upstream', detail: upstream };
  }
  const canWait = nextRunSeconds !== null && nextRunSeconds < slackSeconds;
  if (reason === 'changed' && !first && canWait) {
    const why = `its data may be ${maxStaleness} old, and the next run will be in time`;
    return { action: 'skip', reason: 'fresh', detail: `${detail}, but ${why}` };
  }
  return { action: 'refresh', reason, detail };
}

export function blockedBy(view: string): string {
  return `blocked by ${view}, which it reads and which was not refreshed`;
}

/** How long it takes from the start of each view to the end of the last view that reads it. The longest path goes first. */
export function criticalPathsMs(planned: readonly PlannedView[]): Map<string, number> {
  const pathsMs = new Map<string, number>();
  for (const { facts, reads } of planned.toReversed()) {
    const own = (pathsMs.get(facts.view) ?? 0) + (facts.usualMs ?? 0);
    // A view that ran out of time may do so again, so it goes last.
    pathsMs.set(facts.view, facts.timedOut ? -1 : own);
    for (const read of reads) pathsMs.set(read, Math.max(pathsMs.get(read) ?? 0, own));
  }
  return pathsMs;
}
