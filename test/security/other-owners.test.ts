import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { runPurge } from '../support/purge.ts';

/** As Supabase's guide for Prisma has it: a role of its own owns the tables, and postgres is a member of that role. */
const boss = 'boss_of_tenant';
const tenant = 'tenant_of_boss';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
  await db.sql.unsafe(`
    create role ${boss} createrole createdb bypassrls;
    create role ${tenant} createdb bypassrls;
    grant ${tenant} to ${boss};
    select nightshift.hand_over('${boss}');
    do $$ begin execute format('alter database %I owner to ${boss}', current_database()); end $$;
    create schema app authorization ${tenant};
  `);
  await as(
    tenant,
    `
    create table app."User" (id text primary key, "deletedAt" timestamp(3));
    create index on app."User" ("deletedAt");
    create table app."_OrgToUser" ("A" text, "B" text references app."User");
    insert into app."User" select g, case when g <= 10 then now() - interval '1 year' end from generate_series(1, 100) g;
    create table app.ran_as (who name);
    create function app.see() returns trigger language plpgsql set search_path = '' as $$
    begin
      insert into app.ran_as values (current_user);
      return old;
    end $$;
    create trigger see before delete on app."User" for each row execute function app.see();
  `,
  );
});
afterAll(async () => {
  await db.sql.unsafe(`
    do $$ begin execute format('alter database %I owner to %I', current_database(), current_user); end $$;
    select nightshift.hand_over(current_user);
    drop owned by ${boss}, ${tenant} cascade; drop role ${boss}, ${tenant};
  `);
  await db.drop();
});

async function as(role: string, statements: string) {
  const session = db.connect();
  await session.unsafe(`set role ${role}`);
  try {
    return await session.unsafe(statements);
  } finally {
    await session.end();
  }
}

const policy = `select nightshift.add_retention_policy('app."User"', '90 days', marker_column => 'deletedAt') as policy`;

describe('tables of a role below the owner of the functions', () => {
  it('are refused together, found by the doctor, and purged with the rights of their owner once it has the functions', async () => {
    const error = await as(boss, policy).catch((thrown) => thrown);
    expect(error).toMatchObject({
      code: 'NS422',
      message: `app."User" belongs to ${tenant}, and app."_OrgToUser" belongs to ${tenant}`,
      detail: expect.stringMatching(`with the rights of ${boss}`),
    });
    const [row] = await as(boss, 'select nightshift.describe_installation() as found');
    expect(row?.found.otherOwners).toEqual([
      { owner: tenant, tables: 3, example: 'app."User"', fix: error.hint },
    ]);

    await as(boss, error.hint);
    const [after] = await as(boss, 'select nightshift.describe_installation() as found');
    expect(after?.found).toMatchObject({ owner: tenant, otherOwners: [] });
    await as(boss, policy);
    const { run, report } = await runPurge(db);
    expect({ status: run.status, purged: report.rowsPurged }).toEqual({
      status: 'succeeded',
      purged: 10,
    });
    expect((await db.sql`select distinct who from app.ran_as`).map(({ who }) => who)).toEqual([
      tenant,
    ]);
    // The application has what it had.
    await as(
      tenant,
      'alter table app."User" add column name text; delete from app."User" where id = \'11\'',
    );
    const [rights] = await db.sql`
      select has_database_privilege(${tenant}, current_database(), 'create') as may_create,
        (select count(distinct proowner)::integer from pg_proc where pronamespace = 'nightshift'::regnamespace) as owners`;
    expect(rights).toEqual({ may_create: false, owners: 1 });
  });

  it('need the functions to be given to a role that there is, by a member of it', async () => {
    await db.sql.unsafe('create role guest_of_boss');
    try {
      const give = (role: string) =>
        as(tenant, `select nightshift.hand_over('${role}')`).catch((thrown) => thrown);
      expect(await give('nobody_of_boss')).toMatchObject({ code: 'NS404' });
      expect(await give('guest_of_boss')).toMatchObject({
        code: 'NS422',
        hint: `grant guest_of_boss to ${tenant};`,
      });
    } finally {
      await db.sql.unsafe('drop role guest_of_boss');
    }
  });

  it('can then stand beside tables of the role above, which its owner was granted', async () => {
    await as(
      boss,
      `
      create schema app_of_boss;
      grant usage on schema app_of_boss to ${tenant};
      create table app_of_boss.notes (id integer primary key, deleted_at timestamptz);
      insert into app_of_boss.notes select g, case when g = 1 then now() - interval '1 year' end from generate_series(1, 9) g;
    `,
    );
    const add = `select nightshift.add_retention_policy('app_of_boss.notes', '90 days')`;
    const error = await as(boss, add).catch((thrown) => thrown);
    expect(error).toMatchObject({
      code: 'NS422',
      hint: `grant select, update, delete on app_of_boss.notes to ${tenant};`,
    });
    await as(boss, error.hint);
    await as(boss, add);
    expect((await runPurge(db)).report.rowsPurged).toBe(1);
  });

  it('are no way up for a stranger, whose table is told to change hands with its grants', async () => {
    await db.sql.unsafe(`
      create role stranger_of_boss; grant usage, create on schema app to stranger_of_boss;
      grant references on app."User" to stranger_of_boss;
    `);
    try {
      await as('stranger_of_boss', 'create table app.bait (id text references app."User")');
      await db.sql`select nightshift.remove_retention_policy('app."User"')`;
      const error = await as(boss, policy).catch((thrown) => thrown);
      expect(error).toMatchObject({
        code: 'NS422',
        hint: `alter table app.bait owner to ${tenant}; grant select, insert, update, delete on app.bait to stranger_of_boss;`,
      });
    } finally {
      await db.sql.unsafe('drop owned by stranger_of_boss cascade; drop role stranger_of_boss');
    }
  });
});
