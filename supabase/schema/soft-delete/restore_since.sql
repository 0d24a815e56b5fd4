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
  most_rows constant integer := least(greatest(coalesce(max_rows, 10000), 1), 10000);
  shown_before constant text := coalesce(current_setting('nightshift.show_deleted', true), '');
  page record;
  part jsonb;
  context text;
begin
  if since is null then
    raise exception using errcode = 'NS422', message = 'since must be given', hint = 'Pass the moment from which on deletions are to be undone, for example now() - interval ''1 hour''.';
  end if;
  perform set_config('nightshift.show_deleted', 'on', true);
  select r.* into page from nightshift.rows_since(relation, since, most_rows, after) r;
  if page.rows > 0 then
    part := nightshift.restore_keys(relation, page.keys, on_conflict, restored_by, reason);
  end if;
  perform set_config('nightshift.show_deleted', shown_before, true);
  perform nightshift.announce_changes(relation);
  return jsonb_build_object(
    'restored', coalesce(part -> 'restored', '0'), 'failed', coalesce(part -> 'failed', '[]'), 'parents', coalesce(part -> 'parents', '0'),
    'replaced', coalesce(part -> 'replaced', '0'), 'after', case when page.rows = most_rows then page.last_key end
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.restore_since is
  'Restores the rows of a table that were deleted at a moment or later, whoever deleted them, max_rows a call (default and most 10,000), the earliest first. Rows of other tables that went along with them come back by a call for each of those tables, after this one. on_conflict, restored_by and reason as in nightshift.restore. Returns {restored, failed: as in restore, parents, replaced, after}: where after is not null there may be more, and it is to be passed to the next call. No row is no error. Errors, nothing restored: NS404 soft delete is not enabled, NS422, and those of restore.';
