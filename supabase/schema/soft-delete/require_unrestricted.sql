-- ON DELETE RESTRICT was written by someone who meant it, so it counts for a soft delete too; what no key says is not implied.
-- The check sees all rows, as that of a foreign key does: what the caller cannot see holds a row just the same.

create or replace function nightshift.require_unrestricted(relation regclass, keys jsonb)
returns void
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set row_security = off
as $$
declare
  blocking record;
  rows bigint;
begin
  for blocking in
    select r.referencing, r.constraint_name, r.count_query from nightshift.restricting_keys(require_unrestricted.relation) r
  loop
    execute blocking.count_query into rows using keys;
    if rows > 0 then
      raise exception using
        errcode = 'NS409',
        message = format('%s %s of %s refer to these rows of %s', case when rows >= 1000 then '1,000 or more' else rows::text end,
          case rows when 1 then 'row' else 'rows' end, blocking.referencing, relation),
        detail = format('The foreign key %I says ON DELETE RESTRICT. Nothing was deleted.', blocking.constraint_name),
        constraint = blocking.constraint_name,
        hint = format('Delete those first, or let them go along: select nightshift.enable_soft_delete(%L, cascade => array[%L]);',
          relation::text, blocking.referencing::text);
    end if;
  end loop;
end;
$$;

comment on function nightshift.require_unrestricted is
  'Raises NS409 when rows of another table, deleted ones not counted, refer to rows with these keys by a foreign key with ON DELETE RESTRICT along which the deletion does not go on.';
