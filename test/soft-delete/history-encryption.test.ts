import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { runMaintenance } from '../support/partitions.ts';

const db = setUpDatabase();
const key = 'a-key-that-nobody-is-ever-to-see-0123456789';
const otherKey = 'another-key-that-nobody-sees-9876543210-abc';

/** The edge of Vault: its view, over a table instead of its encrypted one. */
beforeAll(async () => {
  await db.sql.unsafe(`
    drop role if exists nightshift_auditor;
    create role nightshift_auditor;
    create schema if not exists extensions;
    create extension if not exists pgcrypto with schema extensions;
    create schema vault;
    create table vault.stand_in (name text unique, decrypted_secret text);
    create view vault.decrypted_secrets as select name, decrypted_secret from vault.stand_in;
  `);
});
afterAll(() => db.sql.unsafe('drop owned by nightshift_auditor; drop role nightshift_auditor;'));

beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    delete from nightshift.soft_delete_tables;
    truncate nightshift.deletion_events, vault.stand_in;
    update nightshift.settings set history_secret = null;
    revoke all on function nightshift.reveal_deletion_event from nightshift_auditor;
    create table app.notes (id integer primary key, name text);
    insert into app.notes select n, 'note ' || n from generate_series(1, 10) n;
    select nightshift.enable_soft_delete('app.notes', unique_among_active => array['name']);
  `);
  await db.sql`insert into vault.stand_in values ('history 1', ${key}), ('history 2', ${otherKey})`;
});

const encrypt = (name: string | null) => db.sql`select nightshift.encrypt_deletion_events(${name})`;
const stored = () => db.sql`
  select keys, reason, sealed_with, sealed is not null as is_sealed,
    position('mistake' in encode(sealed, 'escape')) > 0 as is_legible
  from nightshift.deletion_events order by id`;
const listed = async (role?: string) =>
  (
    await db.sql.begin(async (sql) => {
      if (role) await sql.unsafe(`set local role ${role}`);
      return sql`select nightshift.list_deletion_events() as event`;
    })
  )
    .map(({ event }) => ({ keys: event.keys, reason: event.reason, sealed: event.sealed }))
    .reverse();

describe('an encrypted history', () => {
  it('holds neither keys nor reasons, shows them to the owner, and to others once that is granted', async () => {
    await db.sql`select nightshift.soft_delete('app.notes', '[1]', 'ann', 'before')`;
    await encrypt('history 1');
    await db.sql`select nightshift.soft_delete('app.notes', '[2, 3]', 'ann', 'mistake')`;
    expect(await stored()).toEqual([
      { keys: [1], reason: 'before', sealed_with: null, is_sealed: false, is_legible: null },
      { keys: null, reason: null, sealed_with: 'history 1', is_sealed: true, is_legible: false },
    ]);
    const clear = { keys: [1], reason: 'before', sealed: false };
    const opened = { keys: [2, 3], reason: 'mistake', sealed: false };
    const sealed = { keys: null, reason: null, sealed: true };
    expect(await listed()).toEqual([clear, opened]);
    expect(await listed('service_role')).toEqual([clear, sealed]);
    await db.sql.unsafe(`
      grant usage on schema nightshift to nightshift_auditor;
      grant execute on function nightshift.list_deletion_events to nightshift_auditor;`);
    expect(await listed('nightshift_auditor')).toEqual([clear, sealed]);
    await db.sql`grant execute on function nightshift.reveal_deletion_event to nightshift_auditor`;
    expect(await listed('nightshift_auditor')).toEqual([clear, opened]);
    await db.sql`revoke all on function nightshift.reveal_deletion_event from nightshift_auditor`;
    expect(await listed('nightshift_auditor')).toEqual([clear, sealed]);
  });

  it('has restores and failed restores encrypted, and everything else works as before', async () => {
    await encrypt('history 1');
    const [{ answer } = {}] = await db.sql`
      select nightshift.soft_delete('app.notes', '[1, 2]', 'ann', 'mistake') as answer`;
    await db.sql`insert into app.notes values (11, 'note 2')`;
    const [{ plan } = {}] =
      await db.sql`select nightshift.plan_restore(${answer.operation}) as plan`;
    expect(JSON.stringify(plan)).toContain('note');
    await db.sql`select nightshift.restore_operation(${answer.operation}, reason => 'undone')`;
    expect(
      (await db.sql`select id from app.notes where deleted_at is not null`).map((r) => r.id),
    ).toEqual([2]);
    expect(
      await db.sql`select action, rows::integer, keys, reason, sealed_with from nightshift.deletion_events order by id`,
    ).toEqual(
      [
        ['delete', 2],
        ['restore', 1],
        ['restore_failed', 1],
      ].map(([action, rows]) => ({
        action,
        rows,
        keys: null,
        reason: null,
        sealed_with: 'history 1',
      })),
    );
    expect(await listed()).toMatchObject([
      { keys: [1, 2], reason: 'mistake' },
      { keys: [1], reason: 'undone' },
      { keys: [2], reason: 'undone' },
    ]);
    const [{ since } = {}] = await db.sql`select nightshift.deleted_since('app.notes') as since`;
    expect(since.keys).toEqual([2]);
    const [{ stats } = {}] = await db.sql`select nightshift.deletion_stats('app.notes') as stats`;
    expect(stats.byDay.at(-1)).toMatchObject({ deleted: 2, restored: 1 });
  });

  it('goes on with another secret, and reads what each entry was encrypted with', async () => {
    await encrypt('history 1');
    await db.sql`select nightshift.soft_delete('app.notes', '[1]', 'ann', 'one')`;
    await encrypt('history 2');
    await db.sql`select nightshift.soft_delete('app.notes', '[2]', 'ann', 'two')`;
    await encrypt(null);
    await db.sql`select nightshift.soft_delete('app.notes', '[3]', 'ann', 'three')`;
    expect((await stored()).map((row) => row.sealed_with)).toEqual([
      'history 1',
      'history 2',
      null,
    ]);
    expect((await listed()).map(({ reason }) => reason)).toEqual(['one', 'two', 'three']);
    // Under the same name, another key opens nothing of before.
    await db.sql`update vault.stand_in set decrypted_secret = ${`${otherKey}!`} where name = 'history 1'`;
    await db.sql`delete from vault.stand_in where name = 'history 2'`;
    expect(await listed()).toEqual([
      { keys: null, reason: null, sealed: true },
      { keys: null, reason: null, sealed: true },
      { keys: [3], reason: 'three', sealed: false },
    ]);
  });

  it('keeps entries as they are when a run moves them into their partition', async () => {
    await encrypt('history 1');
    await db.sql`select nightshift.soft_delete('app.notes', '[1]', 'ann', 'mistake')`;
    const sealed = () => db.sql`
      select tableoid::regclass::text as place, id, encode(sealed, 'hex') as sealed from nightshift.deletion_events`;
    const [before] = await sealed();
    await db.sql.unsafe(`
      alter table nightshift.deletion_events detach partition ${before?.place};
      with moved as (delete from ${before?.place} returning *)
      insert into nightshift.deletion_events overriding system value select * from moved;
      drop table ${before?.place};
      select nightshift.add_partition_policy('nightshift.deletion_events', '1 month');
    `);
    expect(await sealed()).toEqual([{ ...before, place: 'nightshift.deletion_events_default' }]);
    await runMaintenance(db);
    expect(await sealed()).toEqual([before]);
    expect(await listed()).toEqual([{ keys: [1], reason: 'mistake', sealed: false }]);
  });

  it.each([
    ['the secret', `truncate vault.stand_in`, `There is no secret 'history 1' in Vault`],
    ['Vault', `alter schema vault rename to vault_away`, 'There is no Vault'],
    ['pgcrypto', `drop extension pgcrypto`, 'The extension pgcrypto is not there'],
    [
      'what Vault decrypts with',
      `create or replace view vault.decrypted_secrets as select name, (1 / (length(name) - 9))::text as decrypted_secret from vault.stand_in`,
      `The secret 'history 1' cannot be used to encrypt (22012)`,
    ],
    [
      'the right to read it',
      `alter view vault.decrypted_secrets owner to nightshift_auditor`,
      'vault.decrypted_secrets belongs to nightshift_auditor',
    ],
  ])(
    'lets deletions go on without %s, writes nothing in clear, and says so',
    async (_, breaks, problem) => {
      await encrypt('history 1');
      const undo = new Error('undo');
      await db.sql
        .begin(async (sql) => {
          await sql.unsafe(breaks);
          await sql`select nightshift.soft_delete('app.notes', '[1]', 'ann', 'mistake')`;
          expect(await sql`select id from app.notes where deleted_at is not null`).toEqual([
            { id: 1 },
          ]);
          expect(
            await sql`select rows::integer, keys, reason, sealed, sealed_with, operation is not null as found from nightshift.deletion_events`,
          ).toEqual([
            {
              rows: 1,
              keys: null,
              reason: null,
              sealed: null,
              sealed_with: 'history 1',
              found: true,
            },
          ]);
          const [event] = await sql`select nightshift.list_deletion_events() as event`;
          expect(event?.event).toMatchObject({ keys: null, reason: null, sealed: true });
          const [finding] = await sql`
          select value::integer, detail, fix from nightshift.health_policies_broken(now()) where subject like 'encryption%'`;
          expect(finding).toEqual({
            value: 1,
            detail: `${problem}: keys and reasons of deletions are not written at all.`,
            fix: expect.stringMatching(/./),
          });
          throw undo;
        })
        .catch((thrown) => {
          if (thrown !== undo) throw thrown;
        });
      expect(
        await db.sql`select value::integer from nightshift.health_policies_broken(now()) where subject like 'encryption%'`,
      ).toEqual([{ value: 0 }]);
    },
  );

  it('is refused with a secret that is not there, or can be guessed', async () => {
    await db.sql`insert into vault.stand_in values ('short', '1234567890')`;
    for (const [name, message] of [
      ['none', `There is no secret 'none' in Vault`],
      ['short', `The secret 'short' is shorter than 32 characters`],
    ] as const) {
      await expect(encrypt(name)).rejects.toMatchObject({
        code: 'NS422',
        message,
        hint: expect.stringContaining('vault.create_secret'),
      });
    }
    expect(await db.sql`select history_secret from nightshift.settings`).toEqual([
      { history_secret: null },
    ]);
  });

  it('uses no function of that name from a schema of somebody else', async () => {
    await encrypt('history 1');
    await db.sql.begin(async (sql) => {
      await sql.unsafe(`
        create schema theirs authorization nightshift_auditor;
        alter extension pgcrypto set schema theirs;
        savepoint before;
      `);
      await sql`select nightshift.soft_delete('app.notes', '[1]', 'ann', 'mistake')`;
      expect(await sql`select sealed, keys from nightshift.deletion_events`).toEqual([
        { sealed: null, keys: null },
      ]);
      const [finding] = await sql`
        select detail, fix from nightshift.health_policies_broken(now()) where subject like 'encryption%'`;
      expect(finding?.detail).toContain(
        'pgcrypto is in the schema theirs, which belongs to nightshift_auditor',
      );
      await sql.unsafe(finding?.fix);
      await sql.unsafe('drop schema theirs');
    });
    // Of the same name and nearer in the search path, but no part of the extension.
    await db.sql.unsafe(`
      create function public.pgp_sym_encrypt_bytea(bytea, text, text) returns bytea language sql as $$ select $1 || convert_to($2, 'UTF8') $$;`);
    await db.sql`select nightshift.soft_delete('app.notes', '[2]', 'ann', 'mistake')`;
    await db.sql`drop function public.pgp_sym_encrypt_bytea`;
    expect((await listed()).at(-1)).toEqual({ keys: [2], reason: 'mistake', sealed: false });
  });

  it('has its key in no statement, log, plan or error', async () => {
    const heard: string[] = [];
    const sql = postgres(db.url, {
      max: 1,
      onnotice: (notice) => heard.push(JSON.stringify(notice)),
    });
    try {
      await sql.unsafe(`
        load 'auto_explain';
        set auto_explain.log_min_duration = 0; set auto_explain.log_nested_statements = on;
        set auto_explain.log_verbose = on; set auto_explain.log_analyze = on;
        set log_statement = 'all'; set log_min_duration_statement = 0; set log_parameter_max_length_on_error = -1;
        set debug_print_parse = on; set debug_print_plan = on; set client_min_messages = 'log';
      `);
      await sql`select nightshift.encrypt_deletion_events('history 1')`;
      await sql`select nightshift.soft_delete('app.notes', '[1]', 'ann', 'mistake')`;
      await sql`select nightshift.list_deletion_events()`;
      await sql`update vault.stand_in set name = 'gone' where name = 'history 1'`;
      await sql`select nightshift.soft_delete('app.notes', '[2]', 'ann', 'mistake')`;
      await sql`select nightshift.list_deletion_events()`;
      const refused = await sql`select nightshift.encrypt_deletion_events('history 1')`.catch(
        (thrown) => thrown,
      );
      heard.push(JSON.stringify(refused), String(refused.stack));
    } finally {
      await sql.end();
    }
    // The log has what encrypts, so it would have had the key.
    expect(heard.filter((line) => line.includes('pgp_sym_encrypt')).length).toBeGreaterThan(2);
    expect(heard.filter((line) => line.includes('pgp_sym_decrypt')).length).toBeGreaterThan(0);
    expect(heard.filter((line) => line.includes(key))).toEqual([]);
  });
});
