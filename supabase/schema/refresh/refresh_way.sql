create or replace function nightshift.refresh_way(view regclass, allow_blocking boolean)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  populated boolean;
  keyed boolean;
  empty oid[];
begin
  select c.relispopulated into populated from pg_catalog.pg_class c where c.oid = view;
  keyed := exists (
    select 1
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    join pg_catalog.pg_am m on m.oid = c.relam
    where i.indrelid = view
      and i.indisunique and i.indisvalid and i.indimmediate
      and i.indpred is null and i.indexprs is null
      and m.amname = 'btree'
  );
  if not nightshift.may_refresh(current_user, view) then
    return jsonb_build_object(
      'problem', format('It belongs to %I, and %I may not refresh it',
        (select c.relowner::regrole from pg_catalog.pg_class c where c.oid = view), current_user),
      'fix', nightshift.grant_of_refresh(current_user, view)
    );
  end if;
  -- One that has a policy is filled first.
  empty := array(
    select r.relation::oid
    from nightshift.views_read(view) r(relation)
    join pg_catalog.pg_class c on c.oid = r.relation and not c.relispopulated
    where not exists (select from nightshift.policy_of_view(r.relation) p where p.enabled)
  );
  if cardinality(empty) > 0 then
    return jsonb_build_object(
      'problem', format('It reads %s, which holds no data and has no refresh policy', nightshift.name_some(empty)),
      'fix', format('select nightshift.add_refresh_policy(%L);', empty[1]::regclass)
    );
  end if;
  if not populated then
    return jsonb_build_object('mode', 'plain', 'modeReason', 'it holds no data yet, so nobody can read it');
  end if;
  if keyed then
    return jsonb_build_object('mode', 'concurrently', 'modeReason', 'readers go on reading');
  end if;
  if allow_blocking then
    return jsonb_build_object(
      'mode', 'plain', 'modeReason', 'it has no unique index on plain columns, and its policy allows blocking readers'
    );
  end if;
  return jsonb_build_object(
    'problem', 'It can only be refreshed in a way that blocks its readers: it has no unique index on plain columns',
    'fix', format('create unique index on %s (<the columns that tell its rows apart>); ', view)
      || format('or select nightshift.alter_refresh_policy(%L, allow_blocking => true);', view)
  );
end;
$$;

comment on function nightshift.refresh_way is
  'How a view can be refreshed: {mode: concurrently | plain, modeReason}, or {problem, fix} when it cannot. Plain when it holds no data, for nobody can read it then; concurrently when it has a valid unique index on plain columns; otherwise plain, which blocks readers, only when allow_blocking says so.';
