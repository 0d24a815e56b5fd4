-- From before the first release, when the schema was eighty-one files, all of them or as many as were applied before one broke off.

-- Bodies of begin atomic hold on to what they name, so that none of it could be dropped. All of them come back as strings.
do $$
declare
  atomic constant text := (
    select string_agg(p.oid::regprocedure::text, ', ')
    from pg_catalog.pg_proc p
    where p.pronamespace = to_regnamespace('nightshift') and p.prosqlbody is not null
      and 'search_path=pg_catalog, pg_temp' = any(p.proconfig)
  );
begin
  if atomic is not null then
    execute 'drop function ' || atomic;
  end if;
end;
$$;

alter table if exists nightshift.settings
add column if not exists partition_alert_bytes bigint not null default 10737418240 check (partition_alert_bytes > 0);

do $$
begin
  if exists (
    select from pg_catalog.pg_attribute a
    where a.attrelid = to_regclass('nightshift.runs') and a.attname = 'claim' and not a.attisdropped
  ) then
    -- What was called claim is the id of a request.
    alter table nightshift.runs rename column claim to request_id;
    alter index if exists nightshift.runs_claim rename to runs_request_id;
    drop function if exists nightshift.begin_run, nightshift.resume_run;
  end if;
end;
$$;

drop function if exists nightshift.next_leaf(regclass, oid, text);

-- A policy knows the name of its table.
alter table if exists nightshift.retention_policies add column if not exists relation_name text;

-- What is asked of a table that code of someone else may hang on was one function that some statements called.
drop function if exists nightshift.require_trusted_owner;

do $$
begin
  -- It gave the condition of a join as well, which is another question now.
  if exists (
    select from pg_catalog.pg_proc p
    where p.oid = to_regproc('nightshift.referencing_keys') and 'join_condition' = any(p.proargnames)
  ) then
    drop function nightshift.referencing_keys;
  end if;
end;
$$;
