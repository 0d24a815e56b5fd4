import { NightshiftError } from './errors.ts';
import { noSuchHost } from './unreachable.ts';

export const databaseUrlHint =
  'Copy the connection string of the session pooler (Dashboard > Connect > Session pooler), whose user is postgres.<project>, and put the password of the database into it, with special characters encoded.';

/** Instead of CONNECTION_CLOSED, for a connection that was let in and then ended before its first answer. */
export const closedUnanswered = 'CLOSED_UNANSWERED';

interface KnownError {
  is: RegExp;
  /** After "The database at <host>". */
  says: string;
  hint: string;
  /** Our own code: NS422 for a slip of whoever wrote the connection string, NS503 for what is not there now. */
  code: 'NS422' | 'NS503';
  /** Nothing was begun, and the same may go well in a moment. */
  retryable?: true;
}

const poolIsFull = {
  hint: 'The application and Nightshift share the connections. The next run tries again; if it lasts, raise the pool size (Database Settings > Connection pooling), or use the direct connection.',
  code: 'NS503',
  retryable: true,
} as const;

const hostHint = `Check the host and the port in the connection string. db.<project>.supabase.co is reached by IPv6 only, which Lambda and many networks lack. ${databaseUrlHint}`;

const cutHint =
  'It was cut while it worked; what it had not committed is undone, and the next run tries again.';

/** Matched against "CODE message", in this order. A pooler speaks like Postgres, with a SQLSTATE. */
const knownErrors: KnownError[] = [
  {
    is: /tenant\b.*\buser\b.*not found/i,
    says: 'is a pooler that does not know the project or the user',
    hint: databaseUrlHint,
    code: 'NS422',
  },
  {
    is: /max clients reached|MaxClientsInSessionMode|EMAXCONN/i,
    says: 'is a pooler whose connections are all taken',
    ...poolIsFull,
  },
  {
    is: /query_wait_timeout|no more connections allowed/,
    says: 'is a pooler that had no free connection in time',
    ...poolIsFull,
  },
  {
    is: new RegExp(`^${closedUnanswered}`),
    says: 'took the connection and closed it unanswered, as a pooler does that had none free in time',
    ...poolIsFull,
  },
  {
    is: /^NO_ANSWER_YET/,
    says: 'took the connection and then did not answer: a pooler whose connections are all taken',
    hint: poolIsFull.hint,
    code: 'NS503',
  },
  { is: /^53300/, says: 'has no connection slots left', ...poolIsFull },
  {
    is: /^28P01/,
    says: 'refused the password',
    hint: 'Put the password of the database into the connection string, with special characters encoded; a new one is set under Dashboard > Database > Settings. A user that is not there is refused in the same way: behind the pooler it is postgres.<project>.',
    code: 'NS422',
  },
  {
    is: /^28/,
    says: 'does not let this user in',
    hint: databaseUrlHint,
    code: 'NS422',
  },
  {
    is: /^3D000/,
    says: 'has no database of that name',
    hint: databaseUrlHint,
    code: 'NS422',
  },
  {
    is: /before secure TLS connection was established|^(ERR_SSL|EPROTO)/,
    says: 'takes no encrypted connection',
    hint: 'Every database of Supabase does: check the host and the port. For a Postgres of your own without TLS, write sslmode=disable into the connection string.',
    code: 'NS422',
  },
  {
    is: /^[A-Z_]*(CERT|UNABLE_TO_|ERR_TLS|SELF_SIGNED)/,
    says: 'has a certificate that could not be verified',
    hint: 'Pass the certificate of the project (Dashboard > Database > SSL Configuration): sslmode=verify-full&sslrootcert=<file> in the connection string, or its text in NIGHTSHIFT_DATABASE_CA for functions. The host name must be that of the dashboard.',
    code: 'NS422',
  },
  {
    is: /^08P01|^0A000.*prepare|transaction pooling/i,
    says: 'ended the conversation, as a pooler in transaction mode does',
    hint: 'Use the session pooler, port 5432 (Dashboard > Connect > Session pooler).',
    code: 'NS422',
  },
  {
    is: /^(57P|08|CONNECTION_|ECONNRESET|EPIPE)/,
    says: 'closed the connection',
    hint: cutHint,
    code: 'NS503',
  },
  {
    is: noSuchHost,
    says: 'could not be found: there is no host of that name',
    hint: hostHint,
    code: 'NS422',
  },
  {
    is: /^(E[A-Z_]+|CONNECT_TIMEOUT)\b/,
    says: 'could not be reached',
    hint: hostHint,
    code: 'NS503',
  },
];

/** Undefined when it is about what was asked of the database, not about the connection. */
export function toConnectionError(thrown: unknown, host: string): NightshiftError | undefined {
  if (!(thrown instanceof Error && 'code' in thrown)) return undefined;
  const code = String(thrown.code);
  // A statement may raise any SQLSTATE with any text; only what ended the connection is about it.
  if ('severity' in thrown && thrown.severity === 'ERROR') return undefined;
  const known = knownErrors.find(({ is }) => is.test(`${code} ${thrown.message}`));
  if (!known) return undefined;
  return new NightshiftError(known.code, `The database at ${host} ${known.says}`, {
    detail: code,
    hint: known.hint,
    retryable: known.retryable ?? false,
    cause: thrown,
  });
}
