import { readFileSync } from 'node:fs';
import postgres from 'postgres';
import { closedUnanswered, databaseUrlHint } from './connection-errors.ts';
import { NightshiftError } from './errors.ts';

export const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;
/** Of the parameters of a connection string the one that Postgres itself takes. Prisma, Vercel and dashboards add their own. */
const startupParameter = 'options';

/** The one place that reads a connection string. Throws NS422 with the fix, and without the password. */
export function parseDatabaseUrl(text: string): URL {
  const given = text.trim();
  if (!/^postgres(ql)?:\/\//.test(given)) refuse('It begins with postgres://, and this does not.');
  if (given.includes('[YOUR-PASSWORD]')) refuse('[YOUR-PASSWORD] stands for the password.');
  const [, password = ''] = /^[a-z]+:\/\/[^:@/]*:(.*)@[^@]*$/.exec(given) ?? [];
  const [odd] = /[#/?[\]\s@]|%(?![0-9a-f]{2})/i.exec(password) ?? [];
  if (odd) {
    refuse(`The password has a ${odd} in it, which must be written as ${encodeURIComponent(odd)}.`);
  }
  const url = URL.parse(given);
  if (!url?.hostname) refuse('It has no host, or cannot be read.');
  return url;
}

function refuse(detail: string): never {
  throw new NightshiftError('NS422', 'The connection string of the database is not valid', {
    detail,
    hint: databaseUrlHint,
  });
}

/**
 * Encrypted, unless the connection string says otherwise or leads to this machine; verified, where it asks for that or
 * there is a certificate to verify with.
 */
export function encryption(url: URL, ca?: string): postgres.Options<never>['ssl'] {
  const mode = url.searchParams.get('sslmode');
  const rootFile = url.searchParams.get('sslrootcert');
  if (mode === 'disable') return false;
  const verifies = mode?.startsWith('verify-') || rootFile !== null || ca !== undefined;
  if (!verifies) return mode === null && loopback.test(url.hostname) ? false : 'require';
  const roots = rootFile && rootFile !== 'system' ? readRoots(rootFile) : ca;
  return {
    rejectUnauthorized: true,
    // An address has no server name to send, and without this the certificate would have to be one of localhost.
    host: url.hostname.replace(/^\[|\]$/g, ''),
    ...(roots ? { ca: roots } : {}),
    ...(mode === 'verify-ca' ? { checkServerIdentity: () => undefined } : {}),
  };
}

function readRoots(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new NightshiftError('NS422', 'The file of sslrootcert cannot be read', {
      detail: file,
      hint: 'Download the certificate of the project (Dashboard > Database > SSL Configuration), and name its file. A function takes the certificate itself, in NIGHTSHIFT_DATABASE_CA.',
      cause,
    });
  }
}

/** The driver for a connection string as anyone may have it. It connects on first use. */
export function openPostgres(
  databaseUrl: string,
  { ca, ...options }: postgres.Options<Record<string, never>> & { ca?: string | undefined } = {},
): postgres.Sql {
  const url = parseDatabaseUrl(databaseUrl);
  const ssl = encryption(url, ca);
  const kept = url.searchParams.get(startupParameter);
  url.search = kept === null ? '' : `?${new URLSearchParams({ [startupParameter]: kept })}`;
  return postgres(url.href, {
    onnotice: () => {},
    ...options,
    ...(ssl === undefined ? {} : { ssl }),
  });
}

/**
 * Waits until a new connection has answered once. What a server says when it ends a connection in the middle of a query, the
 * driver does not pass on: of a pooler whose wait is over, only the closed connection is left.
 */
export async function firstAnswer(sql: postgres.Sql): Promise<void> {
  await sql
    .unsafe('select 1')
    .simple()
    .catch((thrown: unknown) => {
      if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'CONNECTION_CLOSED')) {
        throw thrown;
      }
      throw Object.assign(new Error(thrown.message, { cause: thrown }), { code: closedUnanswered });
    });
}

/**
 * Fails as the first query would. The driver looks at the types of a database at first, which fails where nobody can
 * catch it when the connection ends; here it does not.
 */
export async function requireAnswer(databaseUrl: string): Promise<void> {
  const probe = openPostgres(databaseUrl, { max: 1, fetch_types: false });
  try {
    await firstAnswer(probe);
  } finally {
    await probe.end({ timeout: 1 });
  }
}
