create or replace function nightshift.refresh_way(view regclass, allow_blocking boolean)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  owner oid;
  populated boolean;
  keyed boolean;
  needs text;
begin
  select c.relowner, c.relispopulated into owner, populated
  from pg_catalog.pg_class c where c.oid = view;
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
  if not pg_has_role(owner, 'usage') then
    return jsonb_build_object(
      'problem', format('It belongs to %I, and only its owner may refresh it', owner::regrole),
      'fix', format('alter materialized view %s owner to %I;', view, current_user)
    );
  end if;
  if populated and keyed then
    return jsonb_build_object('mode', 'concurrently', 'modeReason', 'readers go on reading');
  end if;
  needs := concat_ws(' and ',
    case when not populated then 'it holds no data yet' end, case when not keyed then 'it has no unique index on plain columns' end);
  if allow_blocking then
    return jsonb_build_object('mode', 'plain', 'modeReason', needs || ', and its policy allows blocking readers');
  end if;
  return jsonb_build_object(
    'problem', format('It can only be refreshed in a way that blocks its readers: %s', needs),
    'fix', case when not populated then format('refresh materialized view %s; once by hand, ', view) else '' end
      || case when not keyed then format('create unique index on %s (<the columns that tell its rows apart>); ', view) else '' end
      || format('or select nightshift.alter_refresh_policy(%L, allow_blocking => true);', view)
  );
end;
$$;

comment on function nightshift.refresh_way is
  'How a view can be refreshed: {mode: concurrently | plain, modeReason}, or {problem, fix} when it cannot. Concurrently when it is populated and has a valid unique index on plain columns; plain, which blocks readers, only when allow_blocking says so.';
