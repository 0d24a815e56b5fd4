import { NightshiftError, notLocked, timedOut } from '../_shared/errors.ts';
import { type Fix, fixesOfError } from '../_shared/fix.ts';
import { type Trouble, timeHint } from './report.ts';
import { isOutOfTime, isUnusable, turn } from './rules.ts';
import type { FinishReindexAnswer, IndexFacts, IndexStep, Rebuilt } from './schema.ts';

const again = 'Repeat the run.';

function baseOf({ index, table, sizeBytes }: IndexFacts) {
  return { index, table, bytesBefore: sizeBytes, fixes: [] as Fix[] };
}

export function dueIndex(facts: IndexFacts): IndexStep {
  if (facts.problem) return blockedIndex(facts, facts.problem);
  const detail = 'while it is rebuilt, it needs as much room again';
  return { ...baseOf(facts), status: 'due', detail, statement: facts.statement };
}

export function blockedIndex(
  facts: IndexFacts,
  { detail, fix }: { detail: string; fix: string },
): IndexStep {
  const fixes = [{ subject: facts.index, fix }];
  return { ...baseOf(facts), status: 'blocked', detail, fixes };
}

/** Nothing is rebuilt concurrently over the Data API, where every call is a transaction. */
export function unconnectedIndex(facts: IndexFacts, error: NightshiftError | undefined): IndexStep {
  const hint = error?.hint ?? 'Set NIGHTSHIFT_DATABASE_URL (the session pooler)';
  return {
    ...blockedIndex(facts, {
      detail: error?.message ?? 'it needs a direct connection, and there is none',
      fix: `${hint.replace(/\.$/, '')}; or execute it yourself: ${facts.statement}`,
    }),
    statement: facts.statement,
  };
}

export function goneIndex(facts: IndexFacts): IndexStep {
  return { ...baseOf(facts), status: 'skipped', detail: 'it was dropped meanwhile' };
}

export function waitingIndex(facts: IndexFacts, why = 'there was not time enough'): IndexStep {
  const fixes = [{ subject: facts.index, fix: timeHint }];
  return { ...baseOf(facts), status: 'waiting', detail: why, fixes };
}

export function failedIndex(facts: IndexFacts, error: NightshiftError): IndexStep {
  const document = error.describe();
  return {
    ...baseOf(facts),
    status: 'failed',
    detail: error.message,
    error: document,
    fixes: fixesOfError(facts.index, document),
  };
}

export function failedTwice(facts: IndexFacts): IndexStep {
  return failedIndex(
    facts,
    new NightshiftError(timedOut, `${facts.index}: it could not be rebuilt, twice`, {
      hint: timeHint,
    }),
  );
}

/** What was done in this attempt or an earlier one. */
export function stepOfRebuilt(
  facts: IndexFacts,
  { rebuiltMs, bytesBefore, bytesAfter }: Rebuilt,
): IndexStep {
  return {
    ...baseOf(facts),
    status: 'rebuilt',
    detail: 'it was asked for',
    durationMs: rebuiltMs,
    bytesBefore,
    bytesAfter,
  };
}

/** What became of an index, with what could not be cleared away afterwards. */
export function stepOfIndex(
  facts: IndexFacts,
  found: FinishReindexAnswer,
  trouble: Trouble & { left: readonly string[] },
): IndexStep {
  const step = outcomeOf(facts, found, trouble);
  const leftovers = trouble.left.map((statement) => ({
    subject: facts.index,
    fix: `${statement}; -- left over; the next run for this index drops it as well`,
  }));
  return { ...step, fixes: [...step.fixes, ...leftovers] };
}

function outcomeOf(
  facts: IndexFacts,
  found: FinishReindexAnswer,
  { error, gaveWayTo, stopped }: Trouble,
): IndexStep {
  if (found.outcome === 'gone') return goneIndex(facts);
  if (found.outcome === 'rebuilt') return stepOfRebuilt(facts, found);
  if (gaveWayTo) {
    const { pid, application, role } = gaveWayTo;
    const detail = `it gave way to pid ${pid} (${application ?? 'no application name'} as ${role}), who waited for a lock of the table`;
    return blockedIndex(facts, { detail, fix: again });
  }
  if (stopped !== undefined) return waitingIndex(facts, stopped);
  if (isOutOfTime(error)) return waitingIndex(facts);
  if (error && isUnusable(error)) return unconnectedIndex(facts, error);
  if (error?.code === notLocked && error.message.includes(turn)) {
    return blockedIndex(facts, { detail: error.message, fix: error.hint ?? again });
  }
  return failedIndex(
    facts,
    error ?? new NightshiftError('NS500', 'Postgres reported no error, and rebuilt nothing'),
  );
}
