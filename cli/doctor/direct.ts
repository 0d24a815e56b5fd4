import postgres from 'postgres';
import * as z from 'zod';
import { encryption } from '../../functions/_shared/direct.ts';
import { type Installation, installation } from '../installation/installed.ts';
import { type Diagnosis, failed, ok, type Patient, skipped } from './diagnosis.ts';

const connectTimeoutSeconds = 5;
const copyIt =
  'Copy the connection string of the session pooler (Dashboard > Connect), and encode special characters in the password.';

/** The connection past the API: whether it leads to the same database, in the right mode, as someone who may. */
export async function examineDirect(
  { databaseUrl }: Patient,
  api: Installation | undefined,
): Promise<Diagnosis> {
  const subject = 'direct connection';
  if (!databaseUrl) {
    return skipped(
      subject,
      'NIGHTSHIFT_DATABASE_URL is not set: views that take longer than 50 s cannot be refreshed, and partitions are detached under a lock',
    );
  }
  if (!URL.canParse(databaseUrl)) {
    return failed(
      subject,
      'NIGHTSHIFT_DATABASE_URL should be a connection string, and is not one',
      copyIt,
    );
  }
  const { hostname, port } = new URL(databaseUrl);
  if (port === '6543') {
    return failed(
      subject,
      'Port 6543 is the pooler in transaction mode',
      'Use the session pooler, port 5432 (Dashboard > Connect > Session pooler).',
    );
  }
  const sql = postgres(databaseUrl, {
    max: 1,
    connect_timeout: connectTimeoutSeconds,
    onnotice: () => {},
    ...encryption(databaseUrl),
  });
  try {
    const [row] = await sql`
      select nightshift.describe_installation() as installation,
        pg_has_role(current_user, (select nspowner from pg_namespace where nspname = 'nightshift'), 'usage') as owns, current_user as name`;
    const {
      installation: direct,
      owns,
      name,
    } = z.object({ installation, owns: z.boolean(), name: z.string() }).parse(row);
    if (api && api.database !== direct.database) {
      return failed(
        subject,
        'It leads to another database than SUPABASE_URL',
        'Copy both from the same project.',
      );
    }
    if (!(await keepsSession(sql))) {
      return failed(
        subject,
        'What a session sets is lost with the next statement: a pooler in transaction mode',
        'Use the session pooler (Dashboard > Connect > Session pooler).',
      );
    }
    if (owns && !api) {
      const says = `It answers, in session mode, as ${name}; whether it is the same database nobody can say, since the Data API was not reached`;
      return skipped(subject, says);
    }
    return owns
      ? ok(subject, `It leads to the same database, in session mode, as ${name}`)
      : failed(
          subject,
          `${name} does not own the schema nightshift`,
          `Connect as ${direct.owner}.`,
        );
  } catch (thrown) {
    const code =
      thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown error';
    return failed(
      subject,
      `The database at ${hostname} cannot be used (${code})`,
      `${copyIt} db.<project>.supabase.co is reached by IPv6 only.`,
    );
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function keepsSession(sql: postgres.Sql): Promise<boolean> {
  const mark = crypto.randomUUID();
  await sql`select set_config('nightshift.doctor', ${mark}, false)`;
  const [row] = await sql`select current_setting('nightshift.doctor', true) as mark`;
  return row?.mark === mark;
}
