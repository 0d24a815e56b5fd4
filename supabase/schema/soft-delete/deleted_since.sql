-- For clients that keep a copy: which rows are deleted since they asked last.
-- Why not by deleted_at: a transaction that began earlier may commit later, and its rows would never be seen.
-- Rights: those of the caller; row level security decides, as if nothing were hidden because it is deleted.
-- Locks: ACCESS SHARE.

create or replace function nightshift.deleted_since(relation regclass, after text default null)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  most_keys constant integer := 10000;
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  shown_before constant text := coalesce(current_setting('nightshift.show_deleted', true), '');
  place constant text[] := regexp_match(coalesce(after, '0,0'), '^(\d{1,18}),(\d{1,18})(?:,(\{.*\}))?$');
  next_place text := coalesce(after, '0,0');
  deletion record;
  last_key jsonb;
  wrong boolean;
  begun boolean;
  page record;
  keys jsonb := '[]';
  deletions integer := 0;
  more boolean := false;
  context text;
begin
  begin
    last_key := place[3]::jsonb;
    wrong := place is null;
  exception
    when invalid_text_representation then
      wrong := true;
  end;
  if wrong then
    raise exception using
      errcode = 'NS422',
      message = format('%L is no place in the history', after),
      hint = 'Pass the after that the last call returned, or leave it out to begin with the oldest deletion.';
  end if;
  perform set_config('nightshift.show_deleted', 'on', true);
  for deletion in select d.* from nightshift.deletions_since(relation, place[1]::xid8, place[2]::bigint) d loop
    deletions := deletions + 1;
    begun := deletion.transaction = place[1]::xid8 and deletion.id = place[2]::bigint;
    -- The last call came to its end, or to a key of it.
    continue when begun and last_key is null;
    execute format($query$
      select coalesce(jsonb_agg(n.shown order by n.position), '[]') as keys, count(*) as rows, (array_agg(n.key order by n.position desc))[1] as last_key
      from (
        select %1$s as shown, %2$s as key, row_number() over (order by %3$s) as position from %4$s r
        where %5$s %6$s
        order by %3$s limit $3
      ) n
    $query$, rules.key_value, rules.key_object, rules.key_order, rules.source, rules.of_operation,
      case when begun then format('and (%1$s) > (select %1$s from jsonb_to_recordset(jsonb_build_array($4)) as r(%2$s))',
        rules.key_order, rules.key_definition) else '' end)
    into page using nightshift.operation_time(deletion.operation), deletion.operation, most_keys - jsonb_array_length(keys), last_key;
    keys := keys || page.keys;
    more := jsonb_array_length(keys) >= most_keys;
    next_place := format('%s,%s', deletion.transaction, deletion.id) || case when more then ',' || page.last_key::text else '' end;
    exit when more;
  end loop;
  perform set_config('nightshift.show_deleted', shown_before, true);
  return jsonb_build_object('keys', keys, 'after', next_place, 'more', more or deletions >= 100);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.deleted_since is
  'The keys of rows of a table that the caller may see, deleted ones included, and that are deleted, from a place in the history on: pass the after of the last call, or none to begin with the oldest deletion. No deletion is passed over, in whatever order transactions commit: one comes once every transaction that began before its own has ended. A key may come twice, and a row that was restored meanwhile does not come. Returns {keys: 10,000 at most, after, more: call again at once}. Errors: NS403, NS404, NS422.';
