import { systemClock } from '../../functions/_shared/clock.ts';
import type { Direct } from '../../functions/_shared/direct.ts';
import { NightshiftError, notLocked, retryPolicy } from '../../functions/_shared/errors.ts';
import { retrying } from '../../functions/_shared/rpc.ts';
import { noDeadline } from '../connect.ts';
import { duration } from '../ui.ts';
import { onceLocked, stayedLocked } from './call.ts';
import type { DdlStep } from './documents.ts';

/** The longest that Postgres takes. An index of a large table is built as long as it takes. */
const statementTimeoutMs = 2 ** 31 - 1;
/** Others wait behind whoever waits for ACCESS EXCLUSIVE; nobody waits behind a concurrent build. */
const lockTimeoutMs = 1_000;
const noLockTimeoutMs = 0;
const lockAttempts = 12;

const concurrently = /^create (unique )?index concurrently /;

/** Executes what cannot be done in a transaction, in order, and says on stderr what takes its time. */
export async function executeSteps(
  direct: Direct,
  relation: string,
  steps: readonly DdlStep[],
): Promise<void> {
  for (const { statement } of steps) {
    const builds = concurrently.test(statement);
    console.error(`${relation}: ${statement}`);
    const sayLocked = onceLocked(relation);
    const startedMs = systemClock.nowMs();
    const interrupted = () => leaveBehind(relation);
    if (builds) process.once('SIGINT', interrupted);
    await retrying(
      () =>
        direct.execute(statement, {
          timeoutMs: statementTimeoutMs,
          lockTimeoutMs: builds ? noLockTimeoutMs : lockTimeoutMs,
        }),
      noDeadline,
      // A build that broke off leaves an invalid index, and another try would leave a second one.
      (error, attempt) => {
        sayLocked(error);
        return !builds && retryPolicy(lockAttempts)(error, attempt);
      },
      { retries: lockAttempts, maxMs: 30_000 },
    )
      .catch((thrown: unknown) => {
        if (!(thrown instanceof NightshiftError)) throw thrown;
        if (builds) throw brokenOff(thrown, relation, statement);
        throw thrown.code === notLocked ? stayedLocked(relation, keptBefore, thrown) : thrown;
      })
      .finally(() => process.off('SIGINT', interrupted));
    console.error(`${relation}: done in ${duration(systemClock.nowMs() - startedMs)}`);
  }
}

/** The server builds an index to its end, also for a client that has gone; a second build beside it would leave two. */
function leaveBehind(relation: string): void {
  const builds = `from pg_stat_progress_create_index where relid = '${relation.replaceAll("'", "''")}'::regclass;`;
  console.error(
    `\n${relation}: the database goes on with it. Call again once it has ended: select phase ${builds} To end it: select pg_cancel_backend(pid) ${builds}`,
  );
  process.kill(process.pid, 'SIGINT');
}

const keptBefore = 'What was done before stays; it is of no harm.';
const uniqueViolation = '23505';

function brokenOff(error: NightshiftError, relation: string, statement: string): NightshiftError {
  const invalid = `Drop what the build left first: select format('drop index concurrently %s;', indexrelid::regclass) from pg_index where indrelid = '${relation.replaceAll("'", "''")}'::regclass and not indisvalid;`;
  const [, source, columns, predicate] =
    /^create unique index concurrently on ((?:[^" ]|"[^"]*")+) \((.+)\) where (.+);$/.exec(
      statement,
    ) ?? [];
  if (error.code === uniqueViolation && columns) {
    return new NightshiftError(
      'NS422',
      `Active rows of ${relation} have the same values already, so they cannot be unique`,
      {
        detail: keptBefore,
        hint: `${invalid} Then find the rows: select ${columns}, count(*) from ${source} where ${predicate} group by ${columns} having count(*) > 1;`,
        cause: error,
      },
    );
  }
  return new NightshiftError(error.code, error.message, {
    detail: [error.detail, keptBefore].filter(Boolean).join(' '),
    hint: `${invalid} Then call again.`,
    cause: error,
  });
}
