-- A time that stands for "not deleted" is older than any retention, so every live row that has it would be due.
-- Locks: at run time ACCESS SHARE on the table.

create or replace function nightshift.require_no_sentinel(policy nightshift.retention_policies, oldest_due timestamptz default null)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
set row_security = off
set enable_seqscan = off
as $$
declare
  -- Where languages and databases begin to count, a day to both sides for the time zones, and the month after 1970 began:
  -- seconds that were read as milliseconds end there.
  zero_times constant text[] := array[
    ['0001-01-01 BC', '0001-01-03'], ['1899-12-29', '1900-01-03'], ['1969-12-31', '1970-02-01']
  ];
  sentinel text;
  period text[];
  copied name := left(policy.marker_column, 55) || '_or_null';
begin
  -- A flag says which rows are deleted; whatever time the others have is not looked at.
  if policy.flag_column is not null then
    return;
  end if;
  sentinel := nightshift.constant_default(policy.relation, policy.marker_column);
  if not coalesce(isfinite(sentinel::timestamptz) and sentinel::timestamptz < now() - policy.drop_after, false) then
    sentinel := null;
  end if;
  foreach period slice 1 in array zero_times loop
    exit when sentinel is not null or oldest_due > zero_times[cardinality(zero_times) / 2][2]::timestamptz;
    -- One at a time, with the times in the text: so an index finds that there is none.
    execute format(
      'select max(r.%1$I)::text from (
         select r.%1$I from %2$s r where r.%1$I >= %3$L and r.%1$I < %4$L limit 1000
       ) r',
      policy.marker_column, nightshift.scan_of(policy.relation), period[1], period[2]
    ) into sentinel;
  end loop;
  if sentinel is null then
    return;
  end if;
  raise exception using
    errcode = 'NS422',
    message = format('%s in %I of %s stands for "no time", not for when a row was deleted',
      sentinel, policy.marker_column, policy.relation),
    detail = 'Rows that have it would be deleted as if they had been due for decades.',
    hint = format(
      'alter table %1$s add column %2$I %3$s generated always as '
      || '(case when %4$I > %5$L then %4$I end) stored; /* the times alone; rewrites the table */ create index on %1$s (%2$I); '
      || 'select nightshift.%6$s_retention_policy(%7$L, %8$L, marker_column => %9$L);',
      policy.relation, copied, nightshift.column_type(policy.relation, policy.marker_column), policy.marker_column, sentinel,
      case when exists (select 1 from nightshift.retention_policies p where p.relation = policy.relation) then 'alter' else 'add' end,
      policy.relation, policy.drop_after, copied
    );
end;
$$;

comment on function nightshift.require_no_sentinel is
  'Raises NS422, with the column that mends it in the hint, where the marker has a constant default that is due, or holds a time that programs write for "no time": year 1, 1900, the beginning of 1970. oldest_due: the oldest row that is due, where it is known; a later one shows that there is none.';
