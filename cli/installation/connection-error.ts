import { NightshiftError } from '../../functions/_shared/errors.ts';

/** A slip in the connection string is no defect of ours. */
export function toConnectionError(thrown: unknown, databaseUrl: string): unknown {
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
  if (!/^(E[A-Z]+|CONNECT_TIMEOUT|CONNECTION_\w+|28...|3D000|ERR_INVALID_URL)$/.test(code))
    return thrown;
  const { host } = URL.canParse(databaseUrl) ? new URL(databaseUrl) : { host: '' };
  return new NightshiftError('NS422', `The database ${host ? `at ${host} ` : ''}${inWords(code)}`, {
    detail: code,
    hint: 'Copy the connection string of the session pooler (Dashboard > Connect), and put the password of the database into it, with special characters encoded.',
  });
}

function inWords(code: string): string {
  if (code.startsWith('28')) return 'refused the user or the password';
  return code === '3D000' ? 'has no database of that name' : 'could not be reached';
}
