import { NightshiftError } from '../../functions/_shared/errors.ts';

/** A slip in the connection string is no defect of ours. */
export function toConnectionError(thrown: unknown, databaseUrl: string): unknown {
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
  if (!/^(E[A-Z]+|CONNECT_TIMEOUT|CONNECTION_\w+|28...|3D000|ERR_INVALID_URL)$/.test(code))
    return thrown;
  const { host } = URL.canParse(databaseUrl) ? new URL(databaseUrl) : { host: '' };
  return new NightshiftError(
    'NS422',
    `The database ${host ? `at ${host} ` : ''}could not be reached`,
    {
      detail: code,
      hint: 'Copy the connection string of the session pooler (Dashboard > Connect), and encode special characters in the password.',
    },
  );
}
