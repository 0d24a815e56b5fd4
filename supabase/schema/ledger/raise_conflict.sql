-- PostgREST up to v14 begins a transaction that ends in 40001 again, without limit and without anybody waiting for it any more.
-- So whatever is called over the API, and runs statements on tables of the application, hands such an error to this function.

create or replace function nightshift.raise_conflict(context text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'NS425',
    message = 'Another transaction was in the way, or code of the application says so (SQLSTATE 40001)',
    detail = concat_ws(' ', 'Raised in ' || nightshift.place_in_code(context) || '.', 'Nothing was changed.'),
    hint = 'Repeat the call. If it never succeeds, a trigger or function of the application raises 40001, which says that a second try may succeed: let it raise another code.';
end;
$$;

comment on function nightshift.raise_conflict is
  'Raises NS425 in the place of SQLSTATE 40001, given its pg_exception_context.';
