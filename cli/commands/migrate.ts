import type { Command } from 'commander';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { toConnectionError } from '../installation/connection-error.ts';
import { migrate } from '../installation/migrate.ts';
import { databaseUrlOption } from '../options.ts';
import { note } from '../ui.ts';

export function addMigrate(program: Command): void {
  program
    .command('migrate')
    .description('install or upgrade the nightshift schema in a database')
    .addOption(databaseUrlOption())
    .action(applyMigrations);
}

async function applyMigrations(options: { databaseUrl: string }) {
  if (options.databaseUrl.trim() === '') {
    throw new NightshiftError('NS422', '--database-url is empty', {
      hint: 'Pass the connection string; in a workflow, set the secret DATABASE_URL of the environment.',
    });
  }
  const { applied, skipped } = await migrate(options.databaseUrl).catch((thrown: unknown) => {
    throw toConnectionError(thrown, options.databaseUrl);
  });
  for (const name of applied) console.log(`applied ${name}`);
  note(`${applied.length} applied, ${skipped.length} there already`);
}
