-- plpgsql, because it is called for each of a thousand bounds: an SQL function would be planned in each call.

create or replace function nightshift.bound_of_time(at timestamp, type regtype, epoch text)
returns text
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Before the year 1 to_char leaves out that it is BC.
  bounded constant timestamp := greatest(at, '0001-01-01');
begin
  return quote_literal(case bound_of_time.type
    when 'date'::regtype then to_char(bounded, 'YYYY-MM-DD')
    when 'timestamp'::regtype then to_char(bounded, 'YYYY-MM-DD HH24:MI:SS.US')
    when 'timestamptz'::regtype then to_char(bounded, 'YYYY-MM-DD HH24:MI:SS.US+00')
    when 'bigint'::regtype then trunc(
      extract(epoch from bounded) * case bound_of_time.epoch when 'milliseconds' then 1000 else 1 end
    )::text
    when 'uuid'::regtype then regexp_replace(
      -- There is no uuid of a time before 1970; the smallest of all stands for it.
      lpad(to_hex(greatest(trunc(extract(epoch from bounded) * 1000)::bigint, 0)), 12, '0'),
      '^(.{8})(.{4})$', '\1-\2-0000-0000-000000000000'
    )
  end);
end;
$$;

comment on function nightshift.bound_of_time is
  'A time in UTC as a literal of the type of the key: of a uuid of version 7 the smallest one of that millisecond.';
