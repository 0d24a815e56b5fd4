create or replace function nightshift.estimate_rows(leaf regclass, condition text)
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  sampled_pages constant integer := 100;
  percent constant numeric := least(
    100, 100.0 * sampled_pages / greatest(1, pg_relation_size(leaf) / current_setting('block_size')::integer)
  );
  found_rows bigint;
begin
  execute format('select count(*) from only %s r tablesample system (%s) where %s', nightshift.trusted_name(leaf), percent, condition)
  into found_rows;
  return round(found_rows * 100 / percent);
end;
$$;

comment on function nightshift.estimate_rows is
  'About how many rows r of a leaf meet a condition, from 100 of its pages.';
