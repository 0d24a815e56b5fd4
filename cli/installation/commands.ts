import { join, resolve } from 'node:path';
import { systemClock } from '../../functions/_shared/clock.ts';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { note } from '../ui.ts';
import { copyRelease } from './copy.ts';
import { type Migrated, migrate } from './migrate.ts';
import { uninstall } from './uninstall.ts';

export async function applyMigrations(options: { databaseUrl: string }) {
  if (options.databaseUrl.trim() === '') {
    throw new NightshiftError('NS422', '--database-url is empty', {
      hint: 'Pass the connection string; in a workflow, set the secret DATABASE_URL of the environment.',
    });
  }
  const migrated = await migrate(options.databaseUrl).catch((thrown: unknown) => {
    throw toConnectionError(thrown, options.databaseUrl);
  });
  console.log(whatMigrateDid(migrated));
  if (migrated.linesTakenOver > 0) {
    note(
      `${migrated.linesTakenOver} lines of before 0.1.0 left the history of the Supabase CLI: what is installed stands in nightshift.migrations. If a migrations folder of yours has copies of those files, delete them.`,
    );
  }
}

function whatMigrateDid({ release: { version, checksum }, before }: Migrated): string {
  if (before === undefined) return `Installed ${version}.`;
  if (before === 'unrecorded') {
    return `Mended: there was a schema from before 0.1.0, or one that broke off while it was made. It is ${version} now, and what was declared stays.`;
  }
  if (before.version !== version) return `Upgraded ${before.version} to ${version}.`;
  return before.checksum === checksum
    ? `${version} is there already.`
    : `Applied ${version} again: its file is not the one that was applied before.`;
}

export async function copyMigrations(options: { to: string }) {
  // npm runs this in our folder, and says in which one it was called.
  const folder = resolve(process.env.INIT_CWD ?? '.', options.to);
  const { file, written, oldFiles } = await copyRelease(folder, systemClock);
  console.log(written ? `Wrote ${join(folder, file)}` : `${join(folder, file)} is there already.`);
  if (oldFiles.length > 0) {
    note(
      `${oldFiles.length} files of before 0.1.0 are there as well, whose place this one takes: delete them, and run npm run nightshift -- migrate once, which takes their lines out of the history.`,
    );
  }
  if (written) note('Apply it with the rest of your migrations: supabase db push');
}

export async function removeFromDatabase(options: { databaseUrl: string; yes?: true }) {
  const found = await uninstall(options.databaseUrl, { confirmed: options.yes ?? false }).catch(
    (thrown: unknown) => {
      throw toConnectionError(thrown, options.databaseUrl);
    },
  );
  const what = `the schema nightshift with ${found.policies} policies and the ledger of ${found.runs} runs`;
  if (found.unrecorded) {
    console.log('What is there is from before 0.1.0, or broke off while it was made.');
  }
  console.log(options.yes ? 'Removed:' : 'Would remove:');
  console.log(`  ${what}`);
  for (const name of found.retired) console.log(`  the constraint nightshift_retired of ${name}`);
  console.log('  its lines in the history of the Supabase CLI, if there are any');
  if (!options.yes) console.log('  the role nightshift_runner, where no other database needs it');
  else if (found.roleStays)
    note(
      'The role nightshift_runner stays: another database needs it, or it is not yours to drop.',
    );
  else console.log('  the role nightshift_runner');
  if (options.yes) {
    note(
      'If a migrations folder of yours has a copy of a release, delete it: the next supabase db push would install it again.',
    );
    return;
  }
  for (const name of [...found.dependents, ...found.strangers]) console.log(`In the way: ${name}`);
  note(
    'Nothing was removed. First take nightshift off the exposed schemas (Project Settings > Data API): while one is exposed that is not there, the Data API answers nothing at all. Then the same with --yes.',
  );
}

/** A slip in the connection string is no defect of ours. */
function toConnectionError(thrown: unknown, databaseUrl: string): unknown {
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
  if (!/^(E[A-Z]+|CONNECT_TIMEOUT|CONNECTION_\w+|28...|3D000|ERR_INVALID_URL)$/.test(code))
    return thrown;
  const { host } = URL.canParse(databaseUrl) ? new URL(databaseUrl) : { host: '' };
  return new NightshiftError(
    'NS422',
    `The database ${host ? `at ${host} ` : ''}could not be reached`,
    {
      detail: code,
      hint: 'Copy the connection string of the session pooler (Dashboard > Connect), and encode special characters in the password.',
    },
  );
}
