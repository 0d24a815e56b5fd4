create or replace function nightshift.describe_holders(policy nightshift.retention_policies)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce((
    select jsonb_agg(k.entry - array['columns', 'under', 'role', 'ownPolicy', 'rowsInPart', 'createIndex'] order by k.place)
    from jsonb_array_elements(nightshift.measure_references(
      policy, (nightshift.measure_backlog(policy, now()) ->> 'dueRows')::bigint, now(), 1000
    ) -> 'keys') with ordinality k(entry, place)
    where k.entry ->> 'role' = 'hold' and not (k.entry ->> 'ownPolicy')::boolean
  ), '[]');
exception
  -- Whether it can be counted is no condition for declaring a policy.
  when sqlstate 'NS404' or sqlstate 'NS422' or insufficient_privilege or lock_not_available then
    return '[]';
  when out_of_memory then
    perform nightshift.require_room_for_locks(policy.relation);
    raise;
end;
$$;

comment on function nightshift.describe_holders is
  'The tables that would hold due rows of a policy, of which it says nothing and which have none themselves: table, key, rows (an estimate unless rowsExact; null where it cannot be known quickly), and the call that settles it. Errors: see require_room_for_locks.';
