-- Deletes and restores by a plain update, as applications do it today: the time is the server's, the user is the one of the request,
-- and a row that is deleted already keeps what its first deletion wrote.
-- Arguments of the trigger: what the update does (delete, restore, again), then the columns: marker, flag (or ''), by, reason, operation;
-- then uuid where who deleted is one, and no role can stand there.

create or replace function nightshift.mark_deletion()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  -- All by itself, since it runs with the rights of whoever updates the row, who may call nothing of Nightshift.
  actor constant text := nullif(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', '');
  -- Who is no user of the application may say who it was, and another time, as an import does.
  may_say constant boolean := actor is null and current_user not in ('anon', 'authenticated') and not exists (
    select
    from pg_catalog.pg_roles r
    where r.rolname = current_user and not r.rolbypassrls and not r.rolsuper and pg_has_role(to_regrole('authenticator'), r.oid, 'member')
  );
  before jsonb;
  after jsonb;
  deleted_at timestamptz;
  changes jsonb;
begin
  if tg_argv[0] = 'restore' then
    changes := jsonb_build_object(tg_argv[1], null, tg_argv[3], null, tg_argv[4], null, tg_argv[5], null);
    return jsonb_populate_record(new, changes || case tg_argv[2] when '' then '{}' else jsonb_build_object(tg_argv[2], false) end);
  end if;
  -- To jsonb may run a cast that belongs to the owner of a type, with the rights of whoever updates the row. The owner of the table
  -- has chosen that type, and could have any trigger run with the same rights.
  if tg_argv[0] = 'again' then
    before := to_jsonb(old);
    return jsonb_populate_record(new, jsonb_build_object(
      tg_argv[1], before -> tg_argv[1], tg_argv[3], before -> tg_argv[3], tg_argv[4], before -> tg_argv[4], tg_argv[5], before -> tg_argv[5]
    ));
  end if;
  after := to_jsonb(new);
  -- A row that row level security hides once it is deleted could not be written: its policies look at the new row, too.
  perform set_config('nightshift.show_deleted', 'on', true);
  -- Beside a flag, a row may have kept the time of an earlier deletion; with that, it would be due at once.
  if may_say and after -> tg_argv[1] is distinct from to_jsonb(old) -> tg_argv[1] then
    deleted_at := (after ->> tg_argv[1])::timestamptz;
  end if;
  -- What the id of an operation cannot say, no deletion had.
  if deleted_at is null or not deleted_at between '1970-01-01' and '9999-12-31' then
    deleted_at := statement_timestamp();
  end if;
  deleted_at := date_trunc('milliseconds', deleted_at);
  changes := jsonb_build_object(
    tg_argv[1], deleted_at,
    tg_argv[3], coalesce(actor, case when may_say then after ->> tg_argv[3] end, case when tg_nargs < 7 then current_user end),
    -- All rows that one statement deletes are of one operation, whose time is in its id.
    tg_argv[5], overlay(
      overlay(md5(pg_current_xact_id()::text || ' ' || statement_timestamp()::text) placing
        lpad(to_hex((extract(epoch from deleted_at) * 1000)::bigint), 12, '0') from 1 for 12)
      placing '7' from 13 for 1
    )::uuid
  );
  return jsonb_populate_record(new, changes || case tg_argv[2] when '' then '{}' else jsonb_build_object(tg_argv[2], true) end);
end;
$$;

comment on function nightshift.mark_deletion is
  'Trigger of tables with soft delete, for updates that do not come from soft_delete or restore. What the first deletion of a row wrote stays until it is restored.';
