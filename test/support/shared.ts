import { inject } from 'vitest';
import type { Gateway } from '../../infra/local/gateway.ts';
import { noteRoles } from './roles.ts';

/** On each shared server: a migrated database to copy. */
export const templateDatabase = 'nightshift_template';

/** One for each worker, so that a test file has roles, slots, sessions and statistics to itself while it runs. */
export async function sharedServer(): Promise<string> {
  const url = await ask('server', process.env.VITEST_POOL_ID ?? '');
  await noteRoles(url);
  return url;
}

/** The Data API of a database, until `closeGateway`. */
export const sharedGateway = async (databaseUrl: string): Promise<Omit<Gateway, 'close'>> =>
  JSON.parse(await ask('gateway', databaseUrl));

export const closeGateway = (databaseUrl: string): Promise<string> =>
  ask('no gateway', databaseUrl);

/** The folder with what osls makes of a stage and parameters. */
export const packaged = (...args: string[]): Promise<string> => ask('package', ...args);

async function ask(...wanted: string[]): Promise<string> {
  const answer = await fetch(inject('sharedUrl'), {
    method: 'POST',
    body: JSON.stringify(wanted),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text;
}
