import { readFile } from 'node:fs/promises';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { migrate } from '../../cli/installation/migrate.ts';
import { deadlineIn, systemClock } from '../../functions/_shared/clock.ts';
import { createRpc } from '../../functions/_shared/rpc.ts';
import { startGateway } from '../../infra/local/gateway.ts';
import { bootstrap, type LocalPostgres } from '../../infra/local/postgres.ts';
import { startOwnServer } from '../support/database.ts';
import { asRunner } from '../support/runner.ts';

const databases = Array.from({ length: 8 }, (_, nth) => `project_${nth}`);

/** A server of its own: roles belong to all databases of one. */
let cluster: LocalPostgres;
let admin: postgres.Sql;
/** Like `postgres` on hosted Supabase: no superuser, but it may make roles. */
const asHosted = (database: string) => {
  const url = new URL(cluster.adminUrl(database));
  url.username = 'hosted';
  return url.href;
};

beforeAll(async () => {
  cluster = await startOwnServer();
  const { password } = new URL(cluster.adminUrl());
  admin = postgres(cluster.adminUrl(), { max: 1, onnotice: () => {} });
  await admin.unsafe(`create role hosted login createrole password '${password}'`);
  await bootstrap(cluster.adminUrl());
  for (const name of databases) await admin`create database ${admin(name)} owner hosted`;
});
afterAll(async () => {
  await admin.end();
  await cluster.stop();
});

async function roleFile(): Promise<string> {
  return readFile(new URL('../../supabase/schema/access/runner.sql', import.meta.url), 'utf8');
}

const grants = () => admin`
  select count(*)::integer as count, bool_or(m.admin_option) as admin
  from pg_auth_members m where m.roleid = 'nightshift_runner'::regrole and m.member = 'authenticator'::regrole`;

// Each begins where the one before has ended.
describe('the role nightshift_runner', () => {
  it('is made once when the databases of a server are migrated at the same time', async () => {
    const text = await roleFile();
    const [first, second] = ['project_0', 'project_1'].map((name) =>
      postgres(asHosted(name), { max: 1, onnotice: () => {} }),
    ) as [postgres.Sql, postgres.Sql];
    await first`begin`;
    await first.unsafe(text);
    const waiting = second.unsafe(text).execute();
    await expect.poll(() => admin`select from pg_locks where not granted`).not.toHaveLength(0);
    await first`commit`;
    await waiting;
    await Promise.all([first.end(), second.end()]);

    await Promise.all(
      databases.map(async (name) => {
        const sql = postgres(asHosted(name), { max: 1, onnotice: () => {} });
        await sql.unsafe(text);
        await sql.end();
      }),
    );
    expect(await grants()).toEqual([{ count: 1, admin: false }]);
  });

  it('comes with the migrations of an owner who is no superuser, and may do nothing of itself', async () => {
    const projects = ['project_2', 'project_3'];
    for (const name of projects) await bootstrap(cluster.adminUrl(name));
    await Promise.all(projects.map((name) => migrate(asHosted(name))));
    const [role] = await admin`select * from pg_roles where rolname = 'nightshift_runner'`;
    expect(role).toMatchObject({
      rolsuper: false,
      rolinherit: false,
      rolcreaterole: false,
      rolcreatedb: false,
      rolcanlogin: false,
      rolreplication: false,
      rolbypassrls: false,
      // Like service_role, it has the statement timeout of authenticator.
      rolconfig: null,
    });
    const memberOf = await admin`
      select from pg_auth_members where member = 'nightshift_runner'::regrole`;
    expect(memberOf).toHaveLength(0);
  });

  it('lets no token in any more once it is taken from authenticator', async () => {
    const databaseUrl = cluster.adminUrl('project_2');
    const gateway = await startGateway({ databaseUrl, schemas: ['nightshift'] });
    const rpc = createRpc(await asRunner(gateway), deadlineIn(systemClock, 5_000));
    expect(await rpc.call('list_runs', {}, z.array(z.unknown()))).toEqual([]);
    // By whoever granted it: from Postgres 16 on each grant is its grantor's.
    const owner = postgres(asHosted('project_2'), { max: 1 });
    await owner`revoke nightshift_runner from authenticator`;
    await expect(rpc.call('list_runs', {}, z.unknown())).rejects.toMatchObject({ code: '42501' });
    await owner`grant nightshift_runner to authenticator`;
    await owner.end();
    expect(await rpc.call('list_runs', {}, z.array(z.unknown()))).toEqual([]);
    await gateway.close();
  });

  it('is refused where one of that name may do more', async () => {
    await admin`alter role nightshift_runner bypassrls`;
    const sql = postgres(asHosted('project_4'), { max: 1, onnotice: () => {} });
    await expect(sql.unsafe(await roleFile())).rejects.toMatchObject({
      code: 'NS422',
      hint: expect.stringContaining('nobypassrls'),
    });
    await sql.end();
    await admin`alter role nightshift_runner nobypassrls`;
  });
});
