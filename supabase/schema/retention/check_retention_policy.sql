-- Retention policies: which rows of which table may go, and when. No policy, no deletion.
-- Why: everything that decides whether a row is due is declared, validated and read here, once.

create or replace function nightshift.check_retention_policy(policy nightshift.retention_policies, allow_short boolean)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  kind constant "char" := (select c.relkind from pg_catalog.pg_class c where c.oid = policy.relation);
  due text;
begin
  if kind is null then
    raise exception using
      errcode = 'NS404',
      message = 'There is no such table',
      hint = 'Name an existing table, with its schema: nightshift.add_retention_policy(''public.orders'', ''30 days'').';
  end if;
  perform nightshift.check_purgeable(policy.relation, 'A retention policy');
  perform nightshift.require_one_policy(policy.relation);
  -- Each field by itself: '1 month -30 days' is positive on paper and negative in February.
  if policy.drop_after is null
    or not isfinite(policy.drop_after)
    or least(
      extract(year from policy.drop_after), extract(month from policy.drop_after), extract(day from policy.drop_after),
      extract(hour from policy.drop_after), extract(minute from policy.drop_after), extract(second from policy.drop_after)
    ) < 0
    or policy.drop_after <= '0'
  then
    raise exception using
      errcode = 'NS422',
      message = format('drop_after must be a positive interval, not %s', coalesce(policy.drop_after::text, 'null')),
      hint = 'Say how old a row must be to go, for example ''30 days''.';
  end if;
  if policy.drop_after < '1 day' and not coalesce(allow_short, false) then
    raise exception using
      errcode = 'NS422',
      message = format('drop_after is only %s', policy.drop_after),
      detail = 'An interval under one day is more often a wrong unit than a wish.',
      hint = 'Pass allow_short => true if it is meant.';
  end if;
  if policy.drop_after > '1000 years' then
    raise exception using
      errcode = 'NS422',
      message = format('drop_after is %s, which reaches back before any row', policy.drop_after),
      hint = 'Say how old a row must be to go, for example ''30 days''; where rows are to stay, a table needs no policy.';
  end if;
  if policy.max_fraction is null or policy.max_fraction <= 0 or policy.max_fraction > 1 then
    raise exception using
      errcode = 'NS422',
      message = format('max_fraction must be over 0 and at most 1, not %s', coalesce(policy.max_fraction::text, 'null')),
      hint = 'It is the share of the table that one run may remove; 0.5 by default.';
  end if;

  if policy.first_purge <> 'all' then
    raise exception using
      errcode = 'NS422',
      message = format('first_purge can only be ''all'', not %L', policy.first_purge),
      hint = 'It accepts once what is due when the policy is declared, whatever max_fraction says; leave it out otherwise.';
  end if;

  due := nightshift.due_condition(
    'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, now()
  );
  if not nightshift.marker_is_indexed(policy.relation, policy.marker_column, due) then
    raise exception using
      errcode = 'NS422',
      message = format('No index serves %I of %s', policy.marker_column, policy.relation),
      detail = 'Without it every look for due rows reads the whole table.',
      hint = format(
        'create index %son %s (%s) where %s;',
        -- Postgres cannot build an index concurrently on a partitioned table.
        case when kind = 'p' then '' else 'concurrently ' end,
        policy.relation, nightshift.indexed_as(policy.relation, policy.marker_column),
        case when policy.flag_column is null then nightshift.indexed_as(policy.relation, policy.marker_column) || ' is not null'
          else nightshift.indexed_as(policy.relation, policy.flag_column) end
      );
  end if;
  perform nightshift.require_no_sentinel(policy);
end;
$$;

comment on function nightshift.check_retention_policy is
  'Raises NS404 or NS422, with the fix in the hint, unless the policy can be applied as it is.';
