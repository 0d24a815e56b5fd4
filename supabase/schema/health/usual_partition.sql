create or replace function nightshift.usual_partition(parent regclass)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
begin
  return (
    select case
      when n.days >= 365 then '1 year' when n.days >= 89 then '3 months' when n.days >= 28 then '1 month'
      when n.days >= 7 then '1 week' when n.days >= 1 then '1 day' when n.days > 0 then '1 hour' else '1 month'
    end
    from (
      select max(extract(epoch from b.bounds[2]::timestamp - b.bounds[1]::timestamp) / 86400) as days
      from (
        select regexp_match(pg_get_expr(c.relpartbound, 0),
          '^FOR VALUES FROM \(''(\d{4}-[^'']*)''\) TO \(''(\d{4}-[^'']*)''\)$') as bounds
        from pg_catalog.pg_inherits i
        join pg_catalog.pg_class c on c.oid = i.inhrelid
        where i.inhparent = usual_partition.parent
        order by c.oid desc
        limit 3
      ) b
    ) n
  );
end;
$$;

comment on function nightshift.usual_partition is
  'How long the partitions of a table are that is partitioned by a date or timestamp, as every of a policy would have it: by the three made last; a month when they do not say.';
