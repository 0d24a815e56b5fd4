create or replace function nightshift.may_exceed(run nightshift.runs, policy nightshift.retention_policies, backlog jsonb)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select policy.first_purge is distinct from 'all'
      and policy.max_fraction < 1
      and not nightshift.is_forced(run, policy.relation)
      and exists (
        select
        from (
          -- A sample may be some way off: of 1,000 pages, all due or not at all, by four times the standard error.
          select (backlog ->> 'totalRows')::numeric, (backlog ->> 'dueRows')::numeric,
            case when (backlog ->> 'dueRowsExact')::boolean then 1.0
              else 1 - 4 * sqrt((1 - policy.max_fraction) / (1000 * policy.max_fraction)) end
          union all
          select (c.value ->> 'totalRows')::numeric, (c.value ->> 'dueRows')::numeric,
            case when (c.value ->> 'dueRowsExact')::boolean then 1.0 else 0.8 end
          from jsonb_each(backlog -> 'children') c
        ) m(total, due, share)
        where m.total >= 1000 and coalesce(m.due > m.share * policy.max_fraction * m.total, true)
      )
  );
end;
$$;

comment on function nightshift.may_exceed is
  'Whether what is due, and what goes with it, may be more than the max_fraction of a policy allows, so that it has to be counted what would really go.';
