-- Health check transaction_id_age: how much of the supply of transaction ids has been used since rows were last frozen.
-- Why: a server that runs out of them takes no more writes, in any of its databases, until a vacuum is through.

create or replace function nightshift.health_transaction_id_age(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with supply as (select 2147483648 as ids),
  relation as materialized (
    select c.oid, n.nspname, c.relname, c.relpersistence, c.relpages + coalesce(t.relpages, 0) as pages,
      greatest(age(c.relfrozenxid), age(t.relfrozenxid)) as xids,
      greatest(mxid_age(c.relminmxid), mxid_age(t.relminmxid)) as mxids
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
    where c.relkind in ('r', 'm') and c.relfrozenxid <> '0'::xid
  ),
  -- By default autovacuum freezes from 9.3 percent on; what is beyond has been left over. Nobody but its session can
  -- vacuum a temporary table.
  old as materialized (
    select r.*, format('%I.%I', r.nspname, r.relname) as name, greatest(r.xids, r.mxids) as age
    from relation r, supply s
    where greatest(r.xids, r.mxids) > 0.1 * s.ids and r.relpersistence <> 't'
  ),
  oldest as (
    select format('%I.%I', r.nspname, r.relname) as name, greatest(r.xids, r.mxids) as age
    from relation r
    order by 2 desc
    limit 1
  )
  select
    format('database %I', d.datname),
    round(100.0 * greatest(age(d.datfrozenxid), mxid_age(d.datminmxid)) / s.ids, 3),
    format('%s transactions and %s multixacts of %s', nightshift.figure(age(d.datfrozenxid)), nightshift.figure(mxid_age(d.datminmxid)), nightshift.figure(s.ids))
      || case when d.datname = current_database() then (select format('; the oldest table is %s', o.name) from oldest o)
        else '; another database of this server' end,
    case
      when d.datname <> current_database() then format('/* in database %I */ vacuum (freeze);', d.datname)
      else format('vacuum (freeze)%s;', (
        select ' ' || string_agg(o.name, ', ' order by o.age desc)
        from (select * from old order by old.age desc limit 10) o
      ))
    end,
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_database d, supply s
  union all
  select
    o.name,
    round(100.0 * o.age / s.ids, 3),
    format('%s transactions and %s multixacts of %s, over %s', nightshift.figure(o.xids), nightshift.figure(o.mxids), nightshift.figure(s.ids),
      pg_size_pretty(o.pages::bigint * current_setting('block_size')::integer)),
    format('vacuum (freeze) %s;', o.name),
    null::numeric, null::numeric, null::numeric, null::text
  from old o, supply s
  union all
  -- Each multixact has members, and these run out on their own, at twice as many: few multixacts of many sessions do.
  select
    'multixact members',
    round(100.0 * m.members / (2 * s.ids), 3),
    case when m.members is null then format('%I may not list the files that hold them', current_user)
      else format('about %s of %s; they go when the tables with the oldest multixacts are frozen', nightshift.figure(m.members), nightshift.figure(2 * s.ids)) end,
    (
      select format('vacuum (freeze) %s;', string_agg(r.name, ', ' order by r.mxids desc))
      from (
        select format('%I.%I', r.nspname, r.relname) as name, r.mxids from relation r
        where r.mxids > 0 and r.relpersistence <> 't' order by r.mxids desc limit 10
      ) r
    ),
    null::numeric, null::numeric, null::numeric, null::text
  from nightshift.multixact_members() m(members), supply s;
end;
$$;

comment on function nightshift.health_transaction_id_age is
  'Age of the oldest transaction id or multixact in percent of the 2^31 there are, of each database of the server, and in this one of each table (with its TOAST) that is over 10 percent; and the members of multixacts in percent of 2^32, where a role may list their files: a superuser, or one who was granted pg_ls_dir(text). See nightshift.health_checks.';

select nightshift.declare_health_check(
  'transaction_id_age',
  title => 'Age of transaction ids',
  healthy => 'Rows are frozen in time.',
  why => 'When the ids run out, the server refuses every write until a vacuum is through; autovacuum that cannot keep up, or is held back, gets it there.',
  unit => 'percent', warning => 50, critical => 80
);
