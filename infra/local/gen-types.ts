import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { sortGeneratorMetadata } from '@supabase/postgrest-typegen';
import { generateTypescript } from '@supabase/postgrest-typegen/generation';
import { introspect } from '@supabase/postgrest-typegen/introspection';
import postgres from 'postgres';
import { migrate } from '../../cli/installation/migrate.ts';
import { bootstrap, startPostgres } from './postgres.ts';

const SCHEMA = 'nightshift';
const COMMAND = 'npm run gen:types';
const TARGET = fileURLToPath(new URL('../../functions/_shared/database.types.ts', import.meta.url));
const HEADER = `// Generated from supabase/migrations by \`${COMMAND}\`. Do not edit.\n`;

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
const types = await generate();
if (!values.check) {
  await writeFile(TARGET, types);
} else if (types !== (await readFile(TARGET, 'utf8').catch(() => ''))) {
  console.error(
    `functions/_shared/database.types.ts is not what the migrations say. Run: ${COMMAND}`,
  );
  process.exitCode = 1;
}

async function generate(): Promise<string> {
  const cluster = await startPostgres();
  try {
    await bootstrap(cluster.adminUrl());
    await migrate(cluster.adminUrl());
    return HEADER + (await typesOf(cluster.adminUrl()));
  } finally {
    await cluster.stop();
  }
}

async function typesOf(databaseUrl: string): Promise<string> {
  const sql = postgres(databaseUrl, { onnotice: () => {} });
  try {
    const query = async (text: string) => ({ rows: await sql.unsafe(text) });
    const metadata = await introspect({ query }, { includedSchemas: [SCHEMA] });
    return await generateTypescript(sortGeneratorMetadata(metadata), { defaultSchema: SCHEMA });
  } finally {
    await sql.end();
  }
}
