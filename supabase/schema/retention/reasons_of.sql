create or replace function nightshift.reasons_of(held nightshift.held_row[], fate text)
returns jsonb
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(jsonb_object_agg(g.reason, g.n), '{}')
    from (
      select h.reason, count(*) as n from unnest(held) h where h.fate = reasons_of.fate and h.reason is not null group by h.reason
    ) g
  );
end;
$$;

comment on function nightshift.reasons_of is 'How many rows of one fate there are, by what keeps them.';
