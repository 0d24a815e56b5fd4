create or replace function nightshift.usual_gap(job text)
returns interval
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(max(r.started_at) - min(r.started_at), '1 day')
    from (
      select o.started_at
      from nightshift.runs o
      where o.job = usual_gap.job and o.trigger = 'schedule' and o.status <> 'skipped'
      order by o.started_at desc
      limit 2
    ) r
    having count(*) <> 1
    union all
    select interval '1 day'
    limit 1
  );
end;
$$;

comment on function nightshift.usual_gap is 'The time between the last two scheduled runs of a job; a day while there are not two.';
