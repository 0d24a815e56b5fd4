import { NightshiftError } from '../../functions/_shared/errors.ts';
import { note } from '../ui.ts';
import { migrate } from './migrate.ts';
import { uninstall } from './uninstall.ts';

export async function applyMigrations(options: { databaseUrl: string }) {
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

export async function removeFromDatabase(options: { databaseUrl: string; yes?: true }) {
  const found = await uninstall(options.databaseUrl, { confirmed: options.yes ?? false }).catch(
    (thrown: unknown) => {
      throw toConnectionError(thrown, options.databaseUrl);
    },
  );
  const what = `the schema nightshift with ${found.policies} policies and the ledger of ${found.runs} runs`;
  console.log(options.yes ? 'Removed:' : 'Would remove:');
  console.log(`  ${what}`);
  for (const name of found.retired) console.log(`  the constraint nightshift_retired of ${name}`);
  console.log('  its lines in the migration history');
  if (!options.yes) console.log('  the role nightshift_runner, where no other database needs it');
  else if (found.roleStays)
    note(
      'The role nightshift_runner stays: another database needs it, or it is not yours to drop.',
    );
  else console.log('  the role nightshift_runner');
  if (options.yes) return;
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
