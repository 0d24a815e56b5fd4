import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { migrate } from '../../cli/installation/migrate.ts';
import type { Gateway } from '../../infra/local/gateway.ts';
import { bootstrap, startPostgres } from '../../infra/local/postgres.ts';

/** Where the suite runs: on a Postgres of its own, or on a real Supabase that is migrated already. */
export type Suite =
  | { kind: 'local'; adminUrl: string; template: string }
  | ({ kind: 'remote'; databaseUrl: string } & Pick<
      Gateway,
      'url' | 'secretKey' | 'publishableKey' | 'jwtSecret'
    >);

declare module 'vitest' {
  export interface ProvidedContext {
    suite: Suite;
  }
}

const TEMPLATE = 'nightshift_template';

export default async function setup(project: TestProject) {
  const remote = remoteSuite();
  if (remote) {
    project.provide('suite', remote);
    return;
  }
  const cluster = await startPostgres({ settings: { max_prepared_transactions: '5' } });
  try {
    await createTemplate(cluster.adminUrl(), cluster.adminUrl(TEMPLATE));
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  project.provide('suite', { kind: 'local', adminUrl: cluster.adminUrl(), template: TEMPLATE });
  return () => cluster.stop();
}

async function createTemplate(adminUrl: string, templateUrl: string) {
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    await sql`create database ${sql(TEMPLATE)}`;
    await bootstrap(templateUrl);
    await migrate(templateUrl);
    // A single connection to the template would make every copy of it fail.
    await sql`alter database ${sql(TEMPLATE)} with is_template true allow_connections false`;
  } finally {
    await sql.end();
  }
}

function remoteSuite(): Suite | undefined {
  const {
    SUPABASE_URL: url,
    SUPABASE_SECRET_KEY: secretKey,
    SUPABASE_PUBLISHABLE_KEY: publishableKey = '',
    SUPABASE_JWT_SECRET: jwtSecret = '',
    NIGHTSHIFT_DATABASE_URL: databaseUrl,
  } = process.env;
  if (!url || !secretKey || !databaseUrl) return undefined;
  return { kind: 'remote', databaseUrl, url, secretKey, publishableKey, jwtSecret };
}
