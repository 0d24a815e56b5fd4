-- From before the first release, when the schema was eighty-one files, all of them or as many as were applied before one broke off.

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

-- Policies that know of children, and a purge that remembers what it decided.

do $$
begin
  if to_regclass('nightshift.retention_policies') is not null and to_regclass('nightshift.retention_keys') is null then
    drop type if exists nightshift.row_set cascade;
    drop function if exists nightshift.add_retention_policy, nightshift.alter_retention_policy, nightshift.purge_batch,
      nightshift.choose_due_rows, nightshift.referencing_keys, nightshift.brake, nightshift.record_batch cascade;
    alter table nightshift.retention_policies
      add column if not exists first_purge text check (first_purge = 'all');
  end if;
end;
$$;

-- A dry run takes no lease.

do $$
begin
  if exists (
    select from pg_catalog.pg_indexes i
    where i.schemaname = 'nightshift' and i.indexname = 'runs_one_running' and i.indexdef not like '%dry_run%'
  ) then
    drop index nightshift.runs_one_running;
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
    -- Bodies of `begin atomic`, as there once were, depend on it; they are all made anew.
    drop function nightshift.referencing_keys cascade;
  end if;
end;
$$;
