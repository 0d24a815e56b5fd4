import { ownErrorCode } from './error-codes.ts';
import { describeProxyAnswer, isFromPostgrest, refusedKey } from './proxies.ts';
import { redact } from './redact.ts';
import { migrate, version } from './version.ts';

/**
 * An error that says what happened, what it means and what to do.
 *
 * `code` is one of ours (see error-codes.ts), a SQLSTATE, or a code of PostgREST. `message`, `detail` and `hint` never
 * carry row contents, which stay in the Postgres log.
 */
export class NightshiftError extends Error {
  override readonly name = 'NightshiftError';
  readonly code: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  readonly retryable: boolean;

  constructor(
    code: string,
    message: string,
    options: {
      detail?: string | undefined;
      hint?: string | undefined;
      retryable?: boolean;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.detail = options.detail;
    this.hint = options.hint;
    this.retryable = options.retryable ?? ownErrorCode(code)?.retryable ?? false;
  }

  /** What may be logged, stored and shown: no stack, no cause, and no secret that got into a text. */
  describe(): ErrorDocument {
    return {
      code: this.code,
      message: redact(this.message),
      ...(this.detail === undefined ? {} : { detail: redact(this.detail) }),
      ...(this.hint === undefined ? {} : { hint: redact(this.hint) }),
    };
  }
}

export interface ErrorDocument {
  code: string;
  message: string;
  detail?: string | undefined;
  hint?: string | undefined;
}

export function toNightshiftError(error: unknown): NightshiftError {
  if (error instanceof NightshiftError) return error;
  return new NightshiftError('NS500', error instanceof Error ? error.message : String(error), {
    hint: 'This is a defect in Nightshift; please report it with the steps that led here.',
    cause: error,
  });
}

/** The same call may succeed after these. A timeout is among them, since the work was rolled back. */
const transientSqlStates = /^(40001|40P01|55P03|57014|57P01|57P02|57P03|53...|08...)$/;
const transientGatewayCodes = new Set(['PGRST000', 'PGRST001', 'PGRST002', 'PGRST003']);
const transientHttpStatuses = new Set([429, 502, 503, 504]);

/** The error of a run in which every subject failed: it has the reason of each, and the first hint there is. */
export function nothingDone(
  message: string,
  steps: readonly { subject: string; why: string; error?: ErrorDocument | undefined }[],
): NightshiftError {
  return new NightshiftError('NS502', message, {
    detail: steps
      .map(({ subject, why, error }) => withSubject(subject, error?.message ?? why))
      .join('. '),
    hint: steps.find(({ error }) => error?.hint)?.error?.hint ?? 'The report says why, one by one.',
  });
}

/** Some messages of the database begin with it. */
function withSubject(subject: string, reason: string): string {
  return reason.startsWith(`${subject}: `) ? reason : `${subject}: ${reason}`;
}

/** SQLSTATE query_canceled, which is the statement timeout here. */
export const timedOut = '57014';
/** SQLSTATE lock_not_available, the lock timeout. */
export const notLocked = '55P03';

/** Whether a call was rolled back because others were in the way: the lock timeout, and serialization failures. */
export function othersInTheWay({ code }: NightshiftError): boolean {
  return /^(55P03|40001|NS425)$/.test(code);
}

/** The disk, the memory or a limit of the server is too small, and would be for the next try. */
const tooLarge = /^53[124]00$/;

/** The detail of a 57014 that was not a timeout: someone used pg_cancel_backend. */
export const cancelledByHand = 'Someone cancelled the statement.';

/**
 * Decides whether to retry a call unchanged: not after a timeout, and with `lockAttempts` attempts in all when others were
 * in the way. Code of the application may say so each time.
 */
export function retryPolicy(lockAttempts: number) {
  return (error: NightshiftError, attempt: number): boolean =>
    error.code !== timedOut &&
    !tooLarge.test(error.code) &&
    (!othersInTheWay(error) || attempt < lockAttempts);
}

/** For a look at much of the catalog: what took too long once would again, and the run waits as long for each try. */
export const repeatLook = retryPolicy(3);

/** Whether nothing else in the run can succeed: another attempt holds the lease, or Supabase cannot be reached. */
export function stopsRun({ code }: NightshiftError): boolean {
  return ownErrorCode(code)?.stopsRun ?? /^(PGRST00\d|08...|57P0\d)$/.test(code);
}

/** The status of an HTTP response, and of a code that is not ours whether a retry may help. */
export function httpStatusOf({ code, retryable }: NightshiftError): number {
  return ownErrorCode(code)?.httpStatus ?? (retryable ? 503 : 500);
}

/** A subject that fails must not stop the others, but a run that lost its lease must end. */
export function rethrowIfFatal(thrown: unknown): NightshiftError {
  const error = toNightshiftError(thrown);
  if (stopsRun(error)) throw error;
  return error;
}

export interface RpcFailure {
  code?: string | undefined;
  message: string;
  details?: string | null | undefined;
  hint?: string | null | undefined;
}

/** Turns a failure that supabase-js reports into an error that is safe to log and knows whether to retry. */
export function fromRpcFailure(
  call: string,
  failure: RpcFailure,
  status: number,
  host: string,
): NightshiftError {
  const { code } = failure;
  if (!isFromPostgrest(code)) {
    const { code, message, ...rest } = describeProxyAnswer(call, status, host);
    return new NightshiftError(code, message, rest);
  }
  if (code.startsWith('NS')) {
    return new NightshiftError(code, failure.message, {
      detail: failure.details ?? undefined,
      hint: failure.hint ?? undefined,
    });
  }
  const retryable =
    transientSqlStates.test(code) ||
    transientGatewayCodes.has(code) ||
    transientHttpStatuses.has(status);
  const known = knownFailures[code] ?? (status === 401 ? refusedKey : undefined);
  // A message from the database may quote a row whatever its code: a trigger can raise any code, even one of PostgREST.
  const message =
    known?.message ??
    (code.startsWith('PGRST')
      ? `${call} failed with ${code}, an error of PostgREST`
      : `${call} failed with ${code}; the Postgres log has the message`);
  const detail =
    code === timedOut && failure.message.includes('user request') ? cancelledByHand : undefined;
  return new NightshiftError(code, message, { detail, hint: known?.hint, retryable });
}

const knownFailures: Record<string, { message: string; hint: string }> = {
  PGRST106: {
    message: 'The schema nightshift is not exposed by the Data API',
    hint: 'Add nightshift to the exposed schemas: Project Settings > Data API, or api.schemas in supabase/config.toml.',
  },
  PGRST202: {
    message: 'A Nightshift function is missing in the database, or the API has not noticed it yet',
    hint: `Bring the database to ${version} with ${migrate} and let the API notice: notify pgrst, 'reload schema';`,
  },
  '3F000': {
    message: 'There is no schema nightshift in this database',
    hint: `Install it: ${migrate}`,
  },
  PGRST002: {
    message: 'The Data API could not read the schemas that it exposes',
    hint: 'It passes when the project has just begun or changed. If not: an exposed schema does not exist any more (Project Settings > Data API).',
  },
  PGRST301: refusedKey,
  '42501': {
    message: 'Postgres denied permission',
    hint: 'Use a secret key of the project, or a runner token: only service_role and nightshift_runner may execute the functions of schema nightshift, and the runner only those that jobs call. If other calls work, a trigger or row level security of the table refuses.',
  },
  '25006': {
    message: 'The database is read-only',
    hint: 'Supabase makes a full project read-only. Free disk space first; the Supabase docs describe how to leave read-only mode.',
  },
  '57014': {
    message: 'The statement timeout was reached, and the work rolled back',
    hint: 'Look for slow triggers, missing indexes and a busy database.',
  },
  '53200': {
    message: 'The database has no memory left for it, or no room for more locks',
    hint: 'Whoever deletes a row locks all partitions that may refer to it, with their indexes. Where there are thousands, raise max_locks_per_transaction (64 unless set) until there is room for all of them, and restart the database; or drop partitions and indexes that nobody needs.',
  },
  '55P03': {
    message: 'A lock was not to be had in time',
    hint: 'Another session holds the table, for a migration perhaps. The next run tries again.',
  },
  '40P01': {
    message: 'A deadlock with another session was broken',
    hint: 'The next run tries again.',
  },
};
