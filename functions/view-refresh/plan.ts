import { inOrder } from '../_shared/graph.ts';
import type { StepReason, ViewFacts } from './schema.ts';

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
  /**
   * How long until the next scheduled run, going by the last one. A schedule leaves a change alone when that will be in
   * time as well; whoever asks by hand wants it now.
   */
  nextRunSeconds: number | null;
}

type Decision = Pick<PlannedView, 'action' | 'reason' | 'detail'>;

/** What to do with which view and why, each after all that it reads. */
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
      ...mention(leftOut, decide(facts, above, scope, slacks.get(facts.view) ?? 0)),
    });
  }
  return [...planned.values()];
}

/** The views that `only` names and, where asked for, all that they read or that read them. */
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

/** A view that is skipped may still be behind: by what it reads and nobody asked for. */
function mention(leftOut: ViewFacts | undefined, decision: Decision): Decision {
  if (!leftOut || decision.action !== 'skip') return decision;
  const note = `but ${leftOut.view}, which it reads, has to be: add ancestors`;
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

/** By view: how long until it, or any view that is made from it, is older than it may be. */
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

/** By view: how long it takes, as far as known, from its start to the end of the last that reads it. The longest goes first. */
export function criticalPathsMs(planned: readonly PlannedView[]): Map<string, number> {
  const ways = new Map<string, number>();
  // From the end of the plan, where nothing is read any more.
  for (const { facts, reads } of planned.toReversed()) {
    const own = (ways.get(facts.view) ?? 0) + (facts.usualMs ?? 0);
    // One that ran out of time may do so again, and comes when the others are done.
    ways.set(facts.view, facts.timedOut ? -1 : own);
    for (const read of reads) ways.set(read, Math.max(ways.get(read) ?? 0, own));
  }
  return ways;
}
