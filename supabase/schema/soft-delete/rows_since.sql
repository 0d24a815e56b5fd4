create or replace function nightshift.rows_since(
  relation regclass, since timestamptz, max_rows integer, after jsonb,
  out keys jsonb, out rows integer, out last_key jsonb
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  walk_order constant text := format('%s, %s', rules.marker, rules.key_order);
  context text;
begin
  -- In the order of the index of deleted rows; the last row of a page, as far as that order needs it, is where the next begins.
  execute format($query$
    select jsonb_agg(n.key), count(*), (array_agg(n.place order by n.position desc))[1]
    from (
      select %1$s as key, %1$s || jsonb_build_object(%2$L, %3$s) as place, row_number() over (order by %4$s) as position
      from %5$s r
      where %6$s %7$s
      order by %4$s limit $2
    ) n
  $query$, rules.key_object, (parse_ident(substr(rules.marker, 3)))[1], rules.marker, walk_order, rules.source, rules.since,
    case when after is null then ''
      else format('and (%1$s) > (select %1$s from jsonb_populate_record(null::%2$s, $3) r)', walk_order, regexp_replace(rules.source, '^only ', '')) end)
  into keys, rows, last_key using since, max_rows, after;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.rows_since is
  'The keys of the next rows of a table that were deleted at a moment or later, the earliest first, after one of them or from the first on; last_key is that of the last of them with the time that it was deleted. Errors: see soft_delete_rules.';
