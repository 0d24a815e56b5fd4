create or replace function nightshift.check_key_query(declared nightshift.key_queries)
returns nightshift.key_queries
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if declared.name is null or declared.name !~ '^[a-z][a-z0-9_]{0,62}$' then
    raise exception using
      errcode = 'NS422',
      message = format('%s is no name for a key query', coalesce(quote_literal(declared.name), 'null')),
      hint = 'Use lower-case letters, digits and underscores, a letter first, 63 at most, as in single_month_metrics.';
  end if;
  if declared.max_ms is null or not (declared.max_ms > 0 and declared.max_ms <= 3000) then
    raise exception using
      errcode = 'NS422',
      message = format('max_ms must be more than 0 and at most 3000, not %s', coalesce(declared.max_ms::text, 'null')),
      hint = 'Say from how many milliseconds on someone waits too long for it, for example 100.';
  end if;
  declared.sql := regexp_replace(declared.sql, '^\s+|\s*;?\s*$', '', 'g');
  if coalesce(declared.sql, '') = '' then
    raise exception using
      errcode = 'NS422',
      message = 'There is no query',
      hint = 'Give one SELECT: nightshift.add_key_query(''open_orders'', ''select count(*) from public.orders'', 100).';
  end if;
  if length(declared.sql) > 10000 then
    raise exception using
      errcode = 'NS422',
      message = format('The query has %s characters, and may have 10,000', length(declared.sql)),
      hint = 'Make a view of it, and select from that.';
  end if;
  perform nightshift.require_reading_query(declared.sql);
  return declared;
end;
$$;

comment on function nightshift.check_key_query is
  'The key query without blanks around its SQL and a semicolon behind it. Raises NS422, with the fix in the hint, unless name and max_ms are what they must be and the SQL only reads, see require_reading_query.';
