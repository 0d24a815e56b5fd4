import type { Command } from 'commander';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { type Migrated, migrate } from '../installation/migrate.ts';
import { databaseUrlOption } from '../options.ts';
import { note, say } from '../ui.ts';

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
  const migrated = await migrate(options.databaseUrl);
  say(inWords(migrated));
  if (migrated.linesTakenOver > 0) {
    note(
      `${migrated.linesTakenOver} lines of before 0.1.0 left the history of the Supabase CLI: what is installed stands in nightshift.migrations. If a migrations folder of yours has copies of those files, delete them.`,
    );
  }
}

function inWords({ release: { version, checksum }, before }: Migrated): string {
  if (before === undefined) {
    return `Installed ${version}. Next, add nightshift to the exposed schemas (Project Settings > Data API).`;
  }
  if (before === 'unrecorded') {
    return `Mended: there was a schema from before 0.1.0, or one that broke off while it was made. It is ${version} now, and what was declared stays.`;
  }
  if (before.version !== version) return `Upgraded ${before.version} to ${version}.`;
  return before.checksum === checksum
    ? `${version} is there already.`
    : `Applied ${version} again: its file is not the one that was applied before.`;
}
