create or replace function nightshift.sample_due_rows(
  policy nightshift.retention_policies,
  due_rows bigint,
  as_of timestamptz,
  max_sampled integer,
  out relations oid[],
  out tids tid[],
  out is_all boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
as $$
declare
  -- So many are walked by the index of the marker, in milliseconds.
  max_walked constant integer := 20000;
  sampled_pages constant integer := 1000;
  due constant text := nightshift.due_condition(
    't', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, as_of
  );
  percent numeric;
begin
  is_all := false;
  -- Not the first ones: the oldest are those that earlier runs had to leave.
  if due_rows > max_walked then
    percent := least(100, 100.0 * sampled_pages / greatest(nightshift.pages_of(policy.relation), 1));
    execute format(
      'select array_agg(s.relation), array_agg(s.tid)
       from (select t.tableoid as relation, t.ctid as tid from %s t tablesample system (%s) where %s order by random() limit %s) s',
      nightshift.scan_of(policy.relation), percent, due, max_sampled
    ) into relations, tids;
  end if;
  -- Too few are due for pages at random to have them.
  if coalesce(cardinality(tids), 0) < least(100, max_sampled) then
    execute format(
      'select array_agg(s.relation), array_agg(s.tid)
       from (
         select w.* from (select t.tableoid as relation, t.ctid as tid from %s t where %s limit %s) w order by random() limit %s
       ) s',
      nightshift.scan_of(policy.relation), due, max_walked, max_sampled
    ) into relations, tids;
    is_all := coalesce(cardinality(tids), 0) < max_sampled;
  end if;
end;
$$;

comment on function nightshift.sample_due_rows is
  'Where some due rows of a policy are, at most max_sampled, at random as far as that is quick; is_all when these are all of them. due_rows: how many there are, about.';
