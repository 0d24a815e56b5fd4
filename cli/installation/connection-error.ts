import { toConnectionError as connectionErrorAt } from '../../functions/_shared/connection-errors.ts';
import { parseDatabaseUrl } from '../../functions/_shared/postgres-client.ts';

/** A slip in the connection string is no defect of ours. */
export function toConnectionError(thrown: unknown, databaseUrl: string): unknown {
  return URL.canParse(databaseUrl)
    ? (connectionErrorAt(thrown, parseDatabaseUrl(databaseUrl).host) ?? thrown)
    : thrown;
}
