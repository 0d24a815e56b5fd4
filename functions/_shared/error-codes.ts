interface ErrorCode {
  /** The status of an HTTP response; null when the code never leaves the database. */
  httpStatus: number | null;
  /** Nothing else in the run can succeed after this error. */
  stopsRun?: true;
  /** The same call may succeed a moment later. */
  retryable?: true;
  /** For docs/errors.md, which a test keeps equal to this table. */
  meaning: string;
}

/** All error codes of our own, in TypeScript and as SQLSTATEs. */
export const errorCodes = {
  NS000: {
    httpStatus: null,
    meaning: 'stands in SQL for the class of all these codes and is never raised',
  },
  NS200: {
    httpStatus: null,
    meaning: 'releases the locks of a health check that has its answer, and is caught at once',
  },
  NS400: { httpStatus: 400, meaning: 'the body is malformed or the event is unknown' },
  NS401: { httpStatus: 401, meaning: 'the bearer token is missing or wrong' },
  NS403: {
    httpStatus: 403,
    meaning:
      'a user may not delete or restore rows of that table, or not in the name or by the operation of another; or a form of the status page was sent from another site, or with the token that only reads',
  },
  NS404: { httpStatus: 404, meaning: 'there is no such policy, table, view, check, run or route' },
  NS409: {
    httpStatus: 409,
    stopsRun: true,
    meaning:
      'another run is under way, the lease was lost, a newer release is already installed, or something is in the way of a row that is to be deleted or restored',
  },
  NS410: {
    httpStatus: 410,
    stopsRun: true,
    meaning: 'the run has to end: it was cancelled, stopped with Ctrl-C, or Nightshift was paused',
  },
  NS413: { httpStatus: 413, meaning: 'the body is larger than 64 KB' },
  NS421: {
    httpStatus: 421,
    meaning:
      'a wake was not sent by the database of the project: a copy of it sends it, or it was used before',
  },
  NS422: { httpStatus: 422, meaning: 'a policy, a table, an input or a setting is not valid' },
  NS423: {
    httpStatus: null,
    meaning:
      'a default partition is so large that partitions beside it would keep everyone waiting',
  },
  NS424: {
    httpStatus: null,
    meaning:
      'a health check or a preview lacks statistics, a privilege or time, so its result is unknown',
  },
  NS425: {
    httpStatus: 425,
    retryable: true,
    meaning:
      'another transaction was in the way, or code of the application raised 40001; it stands for that code, which PostgREST repeats without limit',
  },
  NS428: {
    httpStatus: 428,
    meaning: 'a safety brake: too much would go, or Nightshift is paused',
  },
  NS429: {
    httpStatus: 429,
    meaning: 'too many logins or clicks at the status page within a quarter of an hour',
  },
  NS500: {
    httpStatus: 500,
    meaning: 'a defect in Nightshift, or a deployment whose settings or version do not fit',
  },
  NS502: {
    httpStatus: 502,
    meaning:
      'no table, view or check could be worked on and the report says why, or the direct connection failed',
  },
  NS503: {
    httpStatus: 503,
    stopsRun: true,
    retryable: true,
    meaning:
      'Supabase, its database or the event bus could not be reached, or something before it answered in its place',
  },
} as const satisfies Record<`NS${number}`, ErrorCode>;

/** Undefined for a SQLSTATE of Postgres and for a code of PostgREST. */
export function ownErrorCode(code: string): ErrorCode | undefined {
  return (errorCodes as Record<string, ErrorCode>)[code];
}
