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

drop function if exists nightshift.next_leaf(regclass, oid, text);

-- What is asked of a table that code of someone else may hang on was one function that some statements called.
drop function if exists nightshift.require_trusted_owner;

do $$
begin
  -- It gave the condition of a join as well, which is another question now.
  if exists (
    select from pg_catalog.pg_proc p
    where p.oid = to_regproc('nightshift.referencing_keys') and 'join_condition' = any(p.proargnames)
  ) then
    -- Their bodies were not strings then.
    drop function nightshift.retention_warnings, nightshift.warnings_of_purge, nightshift.referencing_keys;
  end if;
end;
$$;
