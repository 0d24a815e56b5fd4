create or replace function nightshift.views_read(view regclass)
returns setof regclass
language plpgsql
stable
rows 2
set search_path = pg_catalog, pg_temp
as $$
begin
  return query select r.relation from nightshift.view_reads(views_read.view, false) r where r.kind = 'm';
end;
$$;

comment on function nightshift.views_read is
  'The materialized views that the query of a view reads, also through ordinary views.';
