create or replace function nightshift.oldest_due(policy nightshift.retention_policies, as_of timestamptz)
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  due text := nightshift.due_by_marker(
    'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, as_of
  );
  left_alone oid[] := array(select t.partition from nightshift.partitions_to_retire(policy.relation, as_of) t);
  scans text[] := array[nightshift.scan_of(policy.relation)];
  scan text;
  found_at timestamptz;
  oldest timestamptz;
begin
  if left_alone <> '{}' then
    -- Each for itself: the way to the oldest row of the others would lead through all of those that are left alone.
    scans := array(
      select nightshift.scan_of(l.leaf) from nightshift.all_leaf_relations(policy.relation) l(leaf)
      where l.leaf::oid <> all(left_alone)
    );
  end if;
  foreach scan in array scans loop
    -- With a lower bound the index is read from there on, past all the rows that say "never".
    execute format(
      'select r.%1$I%2$s from %3$s r where %4$s and r.%1$I > ''-infinity'' order by r.%1$I limit 1',
      policy.marker_column,
      case when nightshift.column_type(policy.relation, policy.marker_column) = 'timestamptz'::regtype
        then '' else '::timestamp at time zone ''UTC''' end,
      scan, due
    ) into found_at;
    oldest := least(oldest, found_at);
  end loop;
  return oldest;
end;
$$;

comment on function nightshift.oldest_due is
  'The marker of the oldest due row, by the index alone, or null; rows in partitions that wait for their retirement do not count.';
