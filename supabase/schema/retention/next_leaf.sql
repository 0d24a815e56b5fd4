create or replace function nightshift.next_leaf(relation regclass, done oid, due text)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  leaf regclass;
  plan jsonb;
begin
  select l into leaf from nightshift.leaf_relations(relation) l where l::oid > done order by l::oid limit 1;
  if leaf is null then
    return null;
  end if;
  -- Postgres weighs the index against reading every page; where it would read every page, we sweep.
  execute format('explain (format json) select r.ctid from only %s r where %s', nightshift.trusted_name(leaf), due)
  into plan;
  return jsonb_build_object(
    'leaf', leaf::oid::bigint,
    'mode', case when plan #>> '{0,Plan,Node Type}' = 'Seq Scan' then 'sweep' else 'index' end
  );
end;
$$;

comment on function nightshift.next_leaf is
  'Where a purge goes on after the leaf with oid done: {leaf, mode}, or null when there is no further leaf. mode is sweep where the due rows are dense, index where they are sparse.';
