create or replace function nightshift.due_by_marker(
  row_alias text,
  relation regclass,
  drop_after interval,
  marker_column name,
  flag_column name,
  as_of timestamptz
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
declare
  -- No caller can make rows due before their time.
  cutoff timestamptz := least(as_of, now()) - drop_after;
  marker_type regtype := nightshift.column_type(relation, marker_column);
  flag_type regtype := nightshift.column_type(relation, flag_column);
  bound text;
begin
  -- A date is a whole UTC day: its rows are due only when the day has ended before the cutoff.
  bound := case marker_type
    when 'timestamptz'::regtype then cutoff::text
    when 'timestamp'::regtype then (cutoff at time zone 'UTC')::text
    when 'date'::regtype then ((cutoff at time zone 'UTC')::date)::text
  end;
  if bound is null then
    raise exception using
      errcode = case when marker_type is null and not exists (select 1 from pg_catalog.pg_class c where c.oid = relation)
        then 'NS404' else 'NS422' end,
      message = case
        when not exists (select 1 from pg_catalog.pg_class c where c.oid = relation)
          then format('The table of a retention policy is gone (oid %s)', relation::oid)
        when marker_type is null then format('%s has no column %I', relation, marker_column)
        when drop_after is null then 'drop_after must not be null'
        else format('Column %I of %s is of type %s, which is not a time', marker_column, relation, marker_type)
      end,
      hint = coalesce(
        nightshift.hint_for_marker(relation, drop_after, marker_column),
        'call nightshift.remove_retention_policy and declare the policy anew.'
      );
  end if;
  if flag_column is not null and flag_type is distinct from 'boolean'::regtype then
    raise exception using
      errcode = 'NS422',
      message = case
        when flag_type is null then format('%s has no column %I', relation, flag_column)
        else format('Column %I of %s is of type %s, which is not boolean', flag_column, relation, flag_type)
      end,
      hint = nightshift.hint_for_flag(relation, flag_column);
  end if;
  -- -infinity says "never". As a lower bound it would send the planner to the low end of the index, where the dead
  -- entries of earlier nights are; as an inequality it does not.
  return format('%1$s.%2$I <> %3$L and %1$s.%2$I < %4$L', row_alias, marker_column, '-infinity', bound)
    || case when flag_column is null then '' else format(' and %s.%I', row_alias, flag_column) end;
end;
$$;

comment on function nightshift.due_by_marker is
  'The SQL condition for a due row, with names quoted and the cutoff, drop_after before as_of or now if that is earlier, in UTC as a literal of the marker''s type. Errors: NS404 when the table is gone, NS422 when marker or flag no longer fit.';
