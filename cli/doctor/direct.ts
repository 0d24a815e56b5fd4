import type postgres from 'postgres';
import * as z from 'zod';
import { databaseUrlHint, toConnectionError } from '../../functions/_shared/connection-errors.ts';
import { toNightshiftError } from '../../functions/_shared/errors.ts';
import { openPostgres, parseDatabaseUrl } from '../../functions/_shared/postgres-client.ts';
import { readCa } from '../../functions/_shared/settings.ts';
import { type Installation, installation } from '../installation/installed.ts';
import { nightshift } from '../installation/origin.ts';
import { type Diagnosis, failed, ok, type Patient, skipped } from './diagnosis.ts';

const connectTimeoutSeconds = 5;
/** SQLSTATE invalid_schema_name. */
const noSchema = '3F000';

/** The connection past the API: whether it leads to the same database, in the right mode, as someone who may. */
export async function examineDirect(
  { databaseUrl, environment }: Patient,
  api: Installation | undefined,
): Promise<Diagnosis> {
  const subject = 'direct connection';
  if (!databaseUrl) {
    return skipped(
      subject,
      'NIGHTSHIFT_DATABASE_URL is not set: views that take longer than 50 s cannot be refreshed, and partitions are detached under a lock',
    );
  }
  let url: URL;
  try {
    url = parseDatabaseUrl(databaseUrl);
  } catch (thrown) {
    const { detail, hint } = toNightshiftError(thrown);
    return failed(subject, `NIGHTSHIFT_DATABASE_URL is not one: ${detail}`, hint);
  }
  const { host, port } = url;
  if (port === '6543') {
    return failed(
      subject,
      'Port 6543 is the pooler in transaction mode',
      'Use the session pooler, port 5432 (Dashboard > Connect > Session pooler).',
    );
  }
  let sql: postgres.Sql | undefined;
  try {
    sql = openPostgres(databaseUrl, {
      ca: readCa(environment.NIGHTSHIFT_DATABASE_CA),
      max: 1,
      connect_timeout: connectTimeoutSeconds,
      fetch_types: false,
    });
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
      const says = `It answers, in session mode, as ${name}; whether it is the same database nobody can say without the Data API`;
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
    const about = toConnectionError(thrown, host);
    const error = about ?? toNightshiftError(thrown);
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : error.code;
    if (code === noSchema) {
      return failed(
        subject,
        'There is no schema nightshift where it leads to',
        `Install it: ${nightshift} migrate --database-url ..., or connect to the database of the project.`,
      );
    }
    return failed(
      subject,
      about || error.code !== 'NS500'
        ? `${error.message} (${code})`
        : `The database at ${host} cannot be used (${code})`,
      (error.code === 'NS500' ? undefined : error.hint) ?? databaseUrlHint,
    );
  } finally {
    await sql?.end({ timeout: 1 });
  }
}

async function keepsSession(sql: postgres.Sql): Promise<boolean> {
  const mark = crypto.randomUUID();
  await sql`select set_config('nightshift.doctor', ${mark}, false)`;
  const [row] = await sql`select current_setting('nightshift.doctor', true) as mark`;
  return row?.mark === mark;
}
