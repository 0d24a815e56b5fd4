-- From before the first release, when the schema was eighty-one files: what was called claim is the id of a request.

do $$
begin
  if exists (
    select from pg_catalog.pg_attribute a
    where a.attrelid = to_regclass('nightshift.runs') and a.attname = 'claim' and not a.attisdropped
  ) then
    alter table nightshift.runs rename column claim to request_id;
    alter index nightshift.runs_claim rename to runs_request_id;
    drop function nightshift.begin_run, nightshift.resume_run;
  end if;
end;
$$;

-- Policies that know of children, and a purge that remembers what it decided.

do $$
begin
  if to_regclass('nightshift.retention_policies') is not null and to_regclass('nightshift.retention_keys') is null then
    drop type nightshift.row_set cascade;
    drop function nightshift.add_retention_policy, nightshift.alter_retention_policy, nightshift.purge_batch,
      nightshift.choose_due_rows, nightshift.referencing_keys, nightshift.brake, nightshift.record_batch;
    alter table nightshift.retention_policies
      add column first_purge text check (first_purge = 'all');
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
