create or replace function nightshift.restore(
  relation regclass,
  keys jsonb,
  on_conflict text default 'skip',
  restored_by text default null,
  reason text default null,
  overrides jsonb default null
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  answer jsonb;
  is_active boolean;
  context text;
begin
  answer := nightshift.restore_keys(relation, keys, on_conflict, restored_by, reason, overrides);
  is_active := answer -> 'notDeleted' = '1';
  if jsonb_array_length(keys) = 1 and answer -> 'restored' = '0' and answer -> 'failed' = '[]' then
    raise exception using
      errcode = case when is_active then 'NS409' else 'NS404' end,
      message = case when is_active then format('The row of %s is not deleted', relation)
        else format('There is no such row in %s, or not for %s', relation, current_user) end,
      hint = case when is_active then 'There is nothing to restore.'
        else 'It may have been purged, or row level security keeps it from this user.' end;
  end if;
  perform nightshift.announce_changes(relation);
  return answer;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.restore is
  'Takes the mark of deletion off the rows with these primary keys: keys as in soft_delete, 10,000 at most. Rows that went with them come back by restore_operation. The rights are those of the caller, row level security included. A row cannot come back when an active one has taken its unique value, when it belongs to a deleted row (a foreign key that deletions go along), or when a trigger or constraint says no. on_conflict: skip (default) leaves such rows deleted, reports and records them; fail then restores none, and raises NS409; restore_parents restores what they belong to; replace deletes the active row that is in the way. overrides: an object of columns and values that a single row gets with it. restored_by: for service_role; of a user it is always the user of the request. Returns {restored, notDeleted, notFound, failed: [{key, code: the SQLSTATE, constraint, raisedIn: line and function of a trigger, message: in words, where Nightshift knows}]; 55P03: another session had it locked for a second, parents, replaced}. For a single key: NS409 it is not deleted, NS404 it is not there. Makes deferred constraints immediate for the rest of the transaction. Other errors, nothing restored: NS403, NS404, NS422.';
