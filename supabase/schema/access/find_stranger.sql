-- Whose code Nightshift would run if it read, locked or changed a table.
-- Why: to plan a query is to run what is constant in the indexes, statistics and constraints of its tables, to write a row is to run
--      triggers, and all of that has the rights of whoever asks, which here is the owner of the functions. A partition is
--      planned with its table and takes indexes and triggers from it, so the whole family counts; and a schema's owner can put
--      another relation in the place of one that is known by its name.

create or replace function nightshift.find_stranger(relation regclass, out message text, out hint text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  own_role constant oid := current_user::regrole;
  database_owner oid;
  family oid[] := array[relation];
  level oid[] := family;
begin
  loop
    level := array(
      select i.inhparent from pg_catalog.pg_class c join pg_catalog.pg_inherits i on i.inhrelid = c.oid
      where c.oid = any(level) and c.relispartition
    );
    exit when level = '{}';
    family := family || level;
  end loop;
  level := array[relation];
  loop
    level := array(
      select i.inhrelid from pg_catalog.pg_class c join pg_catalog.pg_inherits i on i.inhparent = c.oid
      where c.oid = any(level) and c.relkind = 'p'
    );
    exit when level = '{}';
    family := family || level;
  end loop;
  select d.datdba into database_owner from pg_catalog.pg_database d where d.datname = current_database();

  select s.message, s.hint into message, hint
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  -- The schema public belongs to whoever owns the database.
  cross join lateral (select case n.nspowner when 'pg_database_owner'::regrole then database_owner else n.nspowner end) h(owner)
  cross join lateral (
    select
      format('%s belongs to %I', c.oid::regclass, c.relowner::regrole),
      nightshift.hint_for_owner(c.relowner, format('alter %s %s owner to %I; grant select, insert, update, delete on %s to %I;',
        case c.relkind when 'v' then 'view' when 'm' then 'materialized view' else 'table' end,
        c.oid::regclass, current_user, c.oid::regclass, c.relowner::regrole))
    where not pg_has_role(c.relowner, own_role, 'usage')
    union all
    select
      format('%s is in the schema %I, which belongs to %I', c.oid::regclass, n.nspname, h.owner::regrole),
      nightshift.hint_for_owner(h.owner, format('alter schema %I owner to %I; grant all on schema %I to %I;',
        n.nspname, current_user, n.nspname, h.owner::regrole))
    where not pg_has_role(h.owner, own_role, 'usage')
    union all
    -- Whoever was granted TRIGGER on a table can hang a function of their own on it.
    select
      format('Trigger %I of %s calls %s, which belongs to %I', t.tgname, c.oid::regclass, p.oid::regprocedure, p.proowner::regrole),
      nightshift.hint_for_owner(p.proowner, format('alter function %s owner to %I;', p.oid::regprocedure, current_user))
    from pg_catalog.pg_trigger t
    join pg_catalog.pg_proc p on p.oid = t.tgfoid
    join pg_catalog.pg_namespace f on f.oid = p.pronamespace
    where c.relhastriggers and t.tgrelid = c.oid and not t.tgisinternal
      and not pg_has_role(p.proowner, own_role, 'usage')
      -- The webhooks of Supabase run with rights of their own, and only Supabase writes into that schema.
      and not (p.prosecdef and f.nspname = 'supabase_functions' and pg_has_role(f.nspowner, own_role, 'usage'))
    union all
    -- And its condition is worked out with our rights, whosever the function is.
    select
      format('The condition of trigger %I of %s uses %s', t.tgname, c.oid::regclass, u.used),
      format('drop trigger %I on %s; /* and create it without: its function can look at the same */', t.tgname, c.oid::regclass)
    from pg_catalog.pg_trigger t
    cross join lateral nightshift.untrusted_in_condition(t.oid) u(used)
    where c.relhastriggers and t.tgrelid = c.oid and not t.tgisinternal and t.tgqual is not null and u.used is not null
  ) s(message, hint)
  where c.oid = any(family)
    -- Most of a thousand partitions are nobody else's, and that is soon seen.
    and (c.relhastriggers or not pg_has_role(c.relowner, own_role, 'usage') or not pg_has_role(h.owner, own_role, 'usage'))
  limit 1;
end;
$$;

comment on function nightshift.find_stranger is
  'Who keeps Nightshift from touching a table, in words, with the fix: someone without the rights of the owner of these functions who owns it, a partition of it, a table that it is a partition of, the schema of one of these, or a function that a trigger of one of these, or its condition, calls. Null for nobody.';
