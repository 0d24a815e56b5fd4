-- ON DELETE RESTRICT was written by someone who meant it, so it counts for a soft delete too; what no key says is not implied.

create or replace function nightshift.require_unrestricted(relation regclass, keys jsonb)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  blocking record;
begin
  select r.* into blocking from nightshift.restricting_rows(relation, keys, '{}') r limit 1;
  if found then
    raise exception using
      errcode = 'NS409',
      message = format('%s %s of %s refer to these rows of %s', case when blocking.rows >= 1000 then '1,000 or more' else blocking.rows::text end,
        case blocking.rows when 1 then 'row' else 'rows' end, blocking.referencing, relation),
      detail = format('The foreign key %I says ON DELETE RESTRICT. Nothing was deleted.', blocking.constraint_name),
      constraint = blocking.constraint_name,
      hint = format('Delete those first, or let them go along: select nightshift.enable_soft_delete(%L, cascade => array[%L]);',
        relation::text, blocking.referencing::text);
  end if;
end;
$$;

comment on function nightshift.require_unrestricted is
  'Raises NS409 when rows of another table, deleted ones not counted, refer to rows with these keys by a foreign key with ON DELETE RESTRICT along which the deletion does not go on.';
