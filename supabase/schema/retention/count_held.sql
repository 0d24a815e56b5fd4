create or replace function nightshift.count_held(step jsonb, held nightshift.held_row[])
returns jsonb
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if cardinality(held) = 0 then
    return step;
  end if;
  return step || (
    select jsonb_build_object(
      'rowsBlocked', (step ->> 'rowsBlocked')::bigint + count(distinct (h.relation, h.tid)) filter (where h.fate = 'held'),
      'rowsKept', (step ->> 'rowsKept')::bigint + count(distinct (h.relation, h.tid)) filter (where h.fate = 'kept'),
      'rowsRefused', (step ->> 'rowsRefused')::bigint + count(distinct (h.relation, h.tid)) filter (where h.fate = 'refused'),
      'rowsUndecided', (step ->> 'rowsUndecided')::bigint + count(distinct (h.relation, h.tid)) filter (where h.fate = 'undecided'),
      'blockedBy', nightshift.add_counts(step -> 'blockedBy', nightshift.reasons_of(held, 'held')),
      'keptBy', nightshift.add_counts(step -> 'keptBy', nightshift.reasons_of(held, 'kept')),
      'refusedBy', nightshift.add_counts(step -> 'refusedBy', nightshift.reasons_of(held, 'refused'))
    )
    from unnest(held) h
  );
end;
$$;

comment on function nightshift.count_held is 'Adds rows that stay to the totals of a step.';
