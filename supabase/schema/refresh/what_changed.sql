create or replace function nightshift.what_changed(before jsonb, after jsonb)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select case
      when after ->> 'untracked' is not null then 'no counter can tell: ' || (after ->> 'untracked')
      when before ->> 'untracked' is not null then 'no counter could tell when it was refreshed: ' || (before ->> 'untracked')
      when before ->> 'definition' <> after ->> 'definition' then 'its definition, or something below it, changed'
      when before ->> 'statistics' <> after ->> 'statistics' then 'the counters of Postgres began anew'
      when before -> 'sources' <> after -> 'sources' then (
        select string_agg(s.name, ', ' order by s.place) filter (where s.place <= 3)
          || case when count(*) > 3 then format(' and %s more', count(*) - 3) else '' end
          || ' changed'
        from (
          select
            coalesce(c.oid::regclass::text, 'a table that is gone') as name,
            row_number() over (order by c.oid::regclass::text) as place
          from jsonb_each_text(before -> 'sources') b
          full join jsonb_each_text(after -> 'sources') a using (key)
          left join pg_catalog.pg_class c on c.oid = key::oid
          where a.value is distinct from b.value
        ) s
      )
      when before ->> 'own' is distinct from after ->> 'own' then 'another session refreshed it'
    end
  );
end;
$$;

comment on function nightshift.what_changed is
  'What differs between two states of a view (see view_state), in words, or null when nothing does.';
