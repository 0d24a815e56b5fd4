create or replace function nightshift.restore_operation(
  operation uuid,
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
  shown_before constant text := coalesce(current_setting('nightshift.show_deleted', true), '');
  left_rows integer := least(greatest(coalesce(max_rows, 10000), 1), 10000);
  answer jsonb := jsonb_build_object('restored', '{}'::jsonb, 'failed', '[]'::jsonb, 'parents', 0, 'replaced', 0, 'after', null);
  relation regclass;
  page record;
  part jsonb;
  passed boolean := after is null;
  any_table boolean := false;
  context text;
begin
  if operation is null then
    raise exception using errcode = 'NS422', message = 'operation must be given', hint = 'soft_delete returns it, and deletion_id of each row has it.';
  end if;
  perform set_config('nightshift.show_deleted', 'on', true);
  for relation in select t from nightshift.soft_delete_tables_of_operation(operation) t loop
    any_table := true;
    -- A table that has come to its end may be gone from the list: then the rest follows the one that is named.
    continue when not passed and after ->> 'relation' <> relation::text;
    select r.* into page from nightshift.rows_of_operation(relation, operation, left_rows, case when not passed then after -> 'key' end) r;
    passed := true;
    if page.rows > 0 then
      part := nightshift.restore_keys(relation, page.keys, on_conflict, restored_by, reason);
      perform set_config('nightshift.show_deleted', 'on', true);
      answer := answer || jsonb_build_object(
        'restored', answer -> 'restored' || jsonb_build_object(relation::text, part -> 'restored'),
        'failed', answer -> 'failed' || coalesce((
          select jsonb_agg(jsonb_build_object('relation', relation::text) || f) from jsonb_array_elements(part -> 'failed') f
        ), '[]'),
        'parents', (answer ->> 'parents')::bigint + (part ->> 'parents')::bigint,
        'replaced', (answer ->> 'replaced')::bigint + (part ->> 'replaced')::bigint
      );
      left_rows := left_rows - page.rows;
    end if;
    if left_rows <= 0 then
      answer := answer || jsonb_build_object('after', jsonb_build_object('relation', relation::text, 'key', page.last_key));
      exit;
    end if;
  end loop;
  perform set_config('nightshift.show_deleted', shown_before, true);
  if not any_table and after is null then
    raise exception using
      errcode = 'NS404',
      message = format('Operation %s has no deleted rows', operation),
      hint = 'They were restored or purged already, or belong to tables that are not for users.';
  end if;
  perform nightshift.announce_changes(null);
  return answer;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.restore_operation is
  'Restores exactly the rows that an operation deleted and that are deleted still, with those that went along by cascade, and none that were deleted before or since: max_rows a call (default and most 10,000). on_conflict, restored_by, reason and rights as in nightshift.restore. Returns {restored: {table: rows}, failed: as in restore, with relation, parents, replaced, after}: where after is not null there are more, and it is to be passed to the next call. Errors, nothing restored: NS404 no such rows, and those of restore.';
