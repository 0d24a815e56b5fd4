create or replace function nightshift.restore_since(
  relation regclass,
  since timestamptz,
  on_conflict text default 'skip',
  restored_by text default null,
  reason text default null,
  max_rows integer default 10000,
  after jsonb default null
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
declare
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  most_rows constant integer := least(greatest(coalesce(max_rows, 10000), 1), 10000);
  shown_before constant text := coalesce(current_setting('nightshift.show_deleted', true), '');
  walk_order constant text := format('%s, %s', rules.marker, rules.key_order);
  page record;
  part jsonb;
  context text;
begin
  if since is null then
    raise exception using errcode = 'NS422', message = 'since must be given', hint = 'Pass the moment from which on deletions are to be undone, for example now() - interval ''1 hour''.';
  end if;
  perform set_config('nightshift.show_deleted', 'on', true);
  -- In the order of the index of deleted rows; the last row of a page, as far as that order needs it, is where the next begins.
  execute format($query$
    select jsonb_agg(n.key) as keys, count(*) as rows, (array_agg(n.place order by n.position desc))[1] as place
    from (
      select %1$s as key, %1$s || jsonb_build_object(%2$L, %3$s) as place, row_number() over (order by %4$s) as position
      from %5$s r
      where %6$s %7$s
      order by %4$s limit $2
    ) n
  $query$, rules.key_object, (parse_ident(substr(rules.marker, 3)))[1], rules.marker, walk_order, rules.source, rules.since,
    case when after is null then ''
      else format('and (%1$s) > (select %1$s from jsonb_populate_record(null::%2$s, $3) r)', walk_order, regexp_replace(rules.source, '^only ', '')) end)
  into page using since, most_rows, after;
  if page.rows > 0 then
    part := nightshift.restore_keys(relation, page.keys, on_conflict, restored_by, reason);
  end if;
  perform set_config('nightshift.show_deleted', shown_before, true);
  perform nightshift.announce_changes(relation);
  return jsonb_build_object(
    'restored', coalesce(part -> 'restored', '0'), 'failed', coalesce(part -> 'failed', '[]'), 'parents', coalesce(part -> 'parents', '0'),
    'replaced', coalesce(part -> 'replaced', '0'), 'after', case when page.rows = most_rows then page.place end
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.restore_since is
  'Restores the rows of a table that were deleted at a moment or later, whoever deleted them, max_rows a call (default and most 10,000), the earliest first. Rows of other tables that went along with them come back by a call for each of those tables, after this one. on_conflict, restored_by and reason as in nightshift.restore. Returns {restored, failed: as in restore, parents, replaced, after}: where after is not null there may be more, and it is to be passed to the next call. No row is no error. Errors, nothing restored: NS404 soft delete is not enabled, NS422, and those of restore.';
