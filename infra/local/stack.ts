import { migrate } from '../../cli/installation/migrate.ts';
import { type Gateway, startGateway } from './gateway.ts';
import { bootstrap, type LocalPostgres, type PostgresOptions, startPostgres } from './postgres.ts';
import { loadSeed } from './seeds.ts';

export interface StackOptions {
  /** Names of files in `supabase/seeds`, without their ending. */
  seeds?: string[];
  server?: PostgresOptions;
  /** What else has to be in the database before the Data API reads the schema. */
  setUp?: (databaseUrl: string) => Promise<void>;
  /** For a stack whose tables change while it runs. */
  reloads?: boolean;
}

export interface Stack {
  databaseUrl: string;
  gatewayUrl: string;
  secretKey: string;
  publishableKey: string;
  stop(): Promise<void>;
}

/** A whole Supabase on this machine, for as long as this process runs: Postgres, migrations, seeds, Data API. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const cluster = await startPostgres(options.server);
  try {
    const gateway = await prepare(cluster, options);
    return {
      databaseUrl: cluster.adminUrl(),
      gatewayUrl: gateway.url,
      secretKey: gateway.secretKey,
      publishableKey: gateway.publishableKey,
      stop: async () => {
        await gateway.close().finally(() => cluster.stop());
      },
    };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

async function prepare(
  cluster: LocalPostgres,
  { seeds = [], setUp, reloads = false }: StackOptions,
): Promise<Gateway> {
  const databaseUrl = cluster.adminUrl();
  await bootstrap(databaseUrl);
  await migrate(databaseUrl);
  for (const seed of seeds) await loadSeed(databaseUrl, seed);
  await setUp?.(databaseUrl);
  return startGateway({ databaseUrl, schemas: ['public', 'nightshift'], reloads });
}
