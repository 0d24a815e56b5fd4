import { rm } from 'node:fs/promises';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { migrate } from '../../cli/installation/migrate.ts';
import { newestRelease } from '../../cli/installation/release.ts';
import { uninstall } from '../../cli/installation/uninstall.ts';
import type { LocalPostgres } from '../../infra/local/postgres.ts';
import { createDatabase, startOwnServer, type TestDatabase } from '../support/database.ts';
import { applyOldMigrations, folderOfRelease } from '../support/releases.ts';

const { version } = await newestRelease();

describe('migrate', () => {
  let db: TestDatabase;
  const folders: string[] = [];
  beforeEach(async () => {
    db = await createDatabase();
  });
  afterEach(async () => {
    await db.drop();
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
  });

  async function releaseWith(change: Parameters<typeof folderOfRelease>[0]): Promise<string> {
    const folder = await folderOfRelease(change);
    folders.push(folder);
    return folder;
  }
  const recorded = () => db.sql`
    select version, cardinality(objects) > 100 as whole from nightshift.migrations order by version`;
  const history = () => db.sql`
    select concat_ws('_', version, name) as line from supabase_migrations.schema_migrations order by 1`;

  it('leaves a release as it is that is there, and writes nothing into the history of the Supabase CLI', async () => {
    const [applied] = await db.sql`select applied_at from nightshift.migrations`;
    expect(await migrate(db.url)).toMatchObject({
      before: { version },
      linesTakenOver: 0,
    });
    expect(await db.sql`select applied_at from nightshift.migrations`).toEqual([applied]);
    expect(await db.sql`select to_regnamespace('supabase_migrations') as schema`).toEqual([
      { schema: null },
    ]);
  });

  it('notices a file that changed after it was applied, and applies it again', async () => {
    await db.sql`drop function nightshift.list_runs`;
    const folder = await releaseWith({ statement: '-- changed' });
    const { before, release } = await migrate(db.url, { folder });
    expect(before).toMatchObject({ version: release.version });
    expect(before).not.toMatchObject({ checksum: release.checksum });
    expect(await db.sql`select checksum from nightshift.migrations`).toEqual([
      { checksum: release.checksum },
    ]);
    await db.sql`select nightshift.list_runs()`;
  });

  it('brings a database to a later release, and refuses to bring it back', async () => {
    await db.sql`select nightshift.pause('kept')`;
    const later = await releaseWith({ version: '99.10.0' });
    expect(await migrate(db.url, { folder: later })).toMatchObject({
      before: { version },
      release: { version: '99.10.0' },
    });
    expect(await recorded()).toEqual([
      { version, whole: true },
      { version: '99.10.0', whole: true },
    ]);
    expect(await db.sql`select paused_reason from nightshift.settings`).toEqual([
      { paused_reason: 'kept' },
    ]);

    const between = await releaseWith({ version: '99.9.0' });
    await expect(migrate(db.url, { folder: between })).rejects.toMatchObject({
      code: 'NS409',
      message: expect.stringContaining(
        '99.10.0 is installed, which is newer than this checkout of 99.9.0',
      ),
    });
    await expect(migrate(db.url)).rejects.toMatchObject({
      code: 'NS409',
      hint: expect.stringContaining('Update'),
    });
    expect(await recorded()).toHaveLength(2);
  });

  it('takes the lines of before 0.1.0 out of the history, and leaves those of the application', async () => {
    await uninstall(db.url, { confirmed: true });
    await applyOldMigrations(db.sql, 81);
    await db.sql`
      update supabase_migrations.schema_migrations set name = 'mine' where version = '20261121000200'`;
    await db.sql`
      insert into supabase_migrations.schema_migrations (version, name) values ('20261201000000', 'nightshift_0_1_0')`;
    expect((await migrate(db.url)).linesTakenOver).toBe(80);
    expect(await history()).toEqual([
      { line: '20261121000200_mine' },
      { line: '20261201000000_nightshift_0_1_0' },
    ]);
    expect((await migrate(db.url)).linesTakenOver).toBe(0);
  });

  it('knows a history without names', async () => {
    await db.sql`create schema supabase_migrations`;
    await db.sql`create table supabase_migrations.schema_migrations (version text primary key)`;
    await db.sql`insert into supabase_migrations.schema_migrations values ('20261121000200')`;
    expect((await migrate(db.url)).linesTakenOver).toBe(0);
  });

  describe('beside a role of someone else', () => {
    /** No superuser, as postgres is none on Supabase. */
    const boss = 'migrate_boss';
    const stranger = 'migrate_stranger';
    const asBoss = () => `${db.url}?options=${encodeURIComponent(`-c role=${boss}`)}`;
    beforeEach(async () => {
      await db.sql.unsafe(`
        create role ${boss} createrole bypassrls;
        create role ${stranger};
        grant nightshift_runner to ${boss} with admin option;
        select nightshift.hand_over('${boss}');
        do $$ begin execute format('grant create on database %I to ${boss}', current_database()); end $$;
      `);
      await applyOldMigrations(db.sql, 0);
      await db.sql.unsafe(`
        alter schema supabase_migrations owner to ${boss};
        alter table supabase_migrations.schema_migrations owner to ${boss};
        insert into supabase_migrations.schema_migrations (version, name) values ('20261121000100', 'create_nightshift_schema');
      `);
    });
    afterEach(async () => {
      await db.sql.unsafe(
        `drop owned by ${boss}, ${stranger} cascade; drop role ${boss}, ${stranger}`,
      );
    });

    it('deletes nothing from a history that is theirs', async () => {
      await db.sql.unsafe(`
        create table public.acted (as_whom text);
        grant insert on public.acted to public;
        create function public.act() returns trigger language plpgsql as $$
        begin
          insert into public.acted values (current_user);
          return old;
        end $$;
        create trigger act before delete on supabase_migrations.schema_migrations for each row execute function public.act();
        alter table supabase_migrations.schema_migrations owner to ${stranger};
        grant all on supabase_migrations.schema_migrations to ${boss};
      `);
      expect((await migrate(asBoss())).linesTakenOver).toBe(0);
      expect(await db.sql`select * from public.acted`).toEqual([]);
      await db.sql`alter table supabase_migrations.schema_migrations owner to ${db.sql(boss)}`;
      expect((await migrate(asBoss())).linesTakenOver).toBe(1);
      expect(await db.sql`select * from public.acted`).toEqual([{ as_whom: boss }]);
    });

    it('calls none of their functions and operators, whatever schemas the search path has', async () => {
      const { text } = (await migrate(asBoss())).release;
      await db.sql.unsafe(`
        create table public.acted (as_whom text);
        grant insert on public.acted to public;
        grant create on schema public to ${stranger};
        set role ${stranger};
        create function public.pg_has_role(text, text, text) returns boolean language plpgsql as $$
        begin
          insert into public.acted values (current_user);
          return true;
        end $$;
        create function public.same(oid, regclass) returns boolean language sql as $$ select public.pg_has_role('', '', '') $$;
        create function public.same(oid, regnamespace) returns boolean language sql as $$ select public.pg_has_role('', '', '') $$;
        create operator public.= (leftarg = oid, rightarg = regclass, function = public.same);
        create operator public.= (leftarg = oid, rightarg = regnamespace, function = public.same);
        reset role;
        delete from nightshift.migrations;
      `);
      await migrate(asBoss());
      await uninstall(asBoss(), { confirmed: false });
      const session = db.connect();
      await session`set role ${session(boss)}`;
      await session.unsafe(text);
      expect(await db.sql`select * from public.acted`).toEqual([]);
      expect(await session`show search_path`).toEqual([{ search_path: '"$user", public' }]);
    });

    it('refuses a schema that is theirs, and so does uninstall, and the release whoever applies it', async () => {
      const { text } = (await migrate(asBoss())).release;
      await db.sql`alter schema nightshift owner to ${db.sql(stranger)}`;
      const refused = {
        code: 'NS422',
        message: `The schema nightshift belongs to ${stranger}, whose rights ${boss} does not have`,
      };
      await expect(migrate(asBoss())).rejects.toMatchObject(refused);
      await expect(uninstall(asBoss(), { confirmed: true })).rejects.toMatchObject(refused);
      const session = db.connect();
      await session`set role ${session(boss)}`;
      await expect(session.unsafe(text)).rejects.toMatchObject(refused);
    });

    it('brings one that was handed over to a later release, and leaves it all to its owner', async () => {
      await db.sql.unsafe(
        `grant ${stranger} to ${boss}; select nightshift.hand_over('${stranger}')`,
      );
      await db.sql`drop function nightshift.list_runs`;
      const folder = await releaseWith({ version: '0.2.0' });
      await migrate(asBoss(), { folder });
      const owners = await db.sql`
        select distinct pg_get_userbyid(proowner) as name from pg_proc where pronamespace = 'nightshift'::regnamespace`;
      expect(owners).toEqual([{ name: stranger }]);
      await uninstall(asBoss(), { confirmed: true });
    });
  });

  it('is refused by the release itself, whoever applies it, where a newer one is installed', async () => {
    const { text } = (await migrate(db.url)).release;
    await db.sql`insert into nightshift.migrations (version, checksum, objects) values ('99.10.0', '', '{}')`;
    await expect(db.sql.unsafe(text)).rejects.toMatchObject({
      code: 'NS409',
      hint: expect.stringContaining('repair'),
    });
  });
});

describe('a Postgres that is not of Supabase', () => {
  const roles = ['anon', 'authenticated', 'service_role', 'authenticator'];
  let server: LocalPostgres;
  let sql: postgres.Sql;
  beforeAll(async () => {
    server = await startOwnServer();
    sql = postgres(server.adminUrl(), { max: 1, onnotice() {} });
    for (const role of roles) await sql`create role ${sql(role)}`;
  });
  afterAll(async () => {
    await sql.end();
    await server.stop();
  });

  it.each(roles)('is told by the role that it lacks, and left as it is: %s', async (role) => {
    await sql`drop role ${sql(role)}`;
    await expect(migrate(server.adminUrl())).rejects.toMatchObject({
      code: 'NS422',
      message: `This database has no role ${role}, which every database of Supabase has`,
      hint: expect.stringContaining('needs the roles of Supabase first'),
    });
    expect(await sql`select to_regnamespace('nightshift') as schema`).toEqual([{ schema: null }]);
    await sql`create role ${sql(role)}`;
  });
});
