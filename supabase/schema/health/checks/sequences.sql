-- Health check sequences: how much of their numbers the sequences have used.
-- Why: on the day an integer key runs out every insert into its table fails, and to mend it rewrites the table.
-- Locks: access share on one sequence at a time, for as long as it takes to read, and
--        row exclusive until the end on those that someone else could exchange for a view meanwhile.

create or replace function nightshift.health_sequences(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set lock_timeout = '20ms'
as $$
declare
  candidate record;
  measure nightshift.health_measure;
  last_value bigint;
  share numeric;
begin
  for candidate in
    with recursive used as (
      -- Owned: serial and identity. Or by a default alone, which does not say that the column is the narrower of the two.
      select s.seqrelid as sequence, d.refobjid as relation, d.refobjsubid as column
      from pg_catalog.pg_sequence s
      join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::regclass and d.objid = s.seqrelid and d.objsubid = 0
      where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
      union
      select s.seqrelid, f.adrelid, f.adnum
      from pg_catalog.pg_sequence s
      join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = s.seqrelid
      join pg_catalog.pg_attrdef f on f.oid = d.objid
      where d.classid = 'pg_catalog.pg_attrdef'::regclass
    ),
    -- And all columns that refer to one of these, which have to hold the same numbers.
    held(sequence, relation, "column", distance) as (
      select u.sequence, u.relation, u.column::smallint, 0 from used u
      union
      select h.sequence, k.conrelid, r.column, h.distance + 1
      from held h
      join pg_catalog.pg_constraint k on k.confrelid = h.relation and k.contype = 'f' and k.conparentid = 0
      cross join lateral unnest(k.confkey, k.conkey) r(referred, "column")
      -- A key may lead back to where it came from.
      where r.referred = h.column and h.distance < 8
    ),
    taker as (
      select u.sequence, u.relation, u.distance, a.attname, u.distance = 0 and a.attidentity <> '' as is_identity,
        case coalesce(nullif(t.typbasetype, 0), t.oid)
          when 'int2'::regtype then 32767 when 'int4'::regtype then 2147483647 else 9223372036854775807 end as most,
        format_type(a.atttypid, a.atttypmod) as type
      from (
        select h.sequence, h.relation, h.column, min(h.distance) as distance from held h group by h.sequence, h.relation, h.column
      ) u
      join pg_catalog.pg_attribute a on a.attrelid = u.relation and a.attnum = u.column
      join pg_catalog.pg_type t on t.oid = a.atttypid
      -- A partition has its columns, and their types, from its parent.
      where a.attinhcount = 0
    ),
    narrowest as (
      select k.sequence, min(k.most) as most, bool_or(k.is_identity) as is_identity,
        string_agg(format('%s.%I (%s)', k.relation::regclass, k.attname, k.type), ', ' order by k.distance, k.relation)
          filter (where k.distance = 0 or k.most = k.least_most) as columns,
        -- What refers to a column first, or it could not hold what that takes.
        string_agg(format('alter table %s alter column %I type bigint;', k.relation::regclass, k.attname), ' '
          order by k.distance desc, k.relation) filter (where k.most < 9223372036854775807) as widening
      from (select t.*, min(t.most) over (partition by t.sequence) as least_most from taker t) k
      group by k.sequence
    ),
    bounded as (
      select s.*, n.most, n.is_identity, n.columns, n.widening, s.seqincrement > 0 as ascends,
        case when s.seqincrement > 0 then least(s.seqmax, n.most) else greatest(s.seqmin, -n.most - 1) end::numeric as last_possible,
        case when s.seqincrement > 0 then greatest(s.seqmin, least(s.seqstart, 0))
          else least(s.seqmax, greatest(s.seqstart, 0)) end::numeric as first_possible
      from pg_catalog.pg_sequence s
      left join narrowest n on n.sequence = s.seqrelid
    )
    select b.*, b.seqrelid::regclass::text as name,
      -- Where someone else may drop it, its name may soon be that of a view of theirs, whose functions would run with our rights.
      pg_has_role(c.relowner, current_user::regrole, 'usage') and pg_has_role(s.owner, current_user::regrole, 'usage') as is_safe,
      (case when b.ascends then b.seqmax else -b.seqmin - 1 end) >= b.most as column_is_first
    from bounded b
    join pg_catalog.pg_class c on c.oid = b.seqrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    cross join lateral (
      select case n.nspowner when 'pg_database_owner'::regrole then (
        select d.datdba from pg_catalog.pg_database d where d.datname = current_database()
      ) else n.nspowner end
    ) s(owner)
    where c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema')
      -- Nobody uses up a bigint.
      and b.last_possible not in (9223372036854775807, -9223372036854775808)
      -- One that starts again at its end never runs out, unless the column is full before.
      and not (b.seqcycle and b.last_possible = case when b.ascends then b.seqmax else b.seqmin end)
      and b.last_possible <> b.first_possible
  loop
    measure := null;
    measure.subject := candidate.name;
    begin
      if candidate.is_safe then
        execute format('select s.last_value from %s s', nightshift.trusted_name(candidate.seqrelid)) into last_value;
      elsif coalesce(has_sequence_privilege(candidate.seqrelid, 'select, usage'), true) then
        -- By its oid: it is the sequence, or nothing. One that has given no number yet has none.
        last_value := coalesce(pg_sequence_last_value(candidate.seqrelid), candidate.seqstart);
      else
        raise exception using errcode = '42501';
      end if;
      -- Locks last as long as the transaction does; undone, this part of it keeps none. There may be thousands of sequences.
      raise exception using errcode = 'NS200';
    exception
      when sqlstate 'NS200' then
        share := (last_value - candidate.first_possible) / (candidate.last_possible - candidate.first_possible);
        measure.value := greatest(round(100 * share, 1), 0);
        measure.detail := format('at %s of %s%s', nightshift.figure(last_value), nightshift.figure(candidate.last_possible), ', for ' || candidate.columns);
        if candidate.column_is_first then
          measure.detail := measure.detail
            || '. The fix rewrites each table that it widens, and blocks it meanwhile';
          measure.fix := candidate.widening
            || case when candidate.is_identity then ''
              else format(' alter sequence %s as bigint %s;', candidate.name,
                case when candidate.ascends then 'no maxvalue' else 'no minvalue' end) end;
        else
          measure.fix := format('alter sequence %s%s %s;', candidate.name,
            case candidate.most when 32767 then ' as smallint' when 2147483647 then ' as integer' else ' as bigint' end,
            case when candidate.ascends then 'no maxvalue' else 'no minvalue' end);
        end if;
      when lock_not_available then
        measure.problem := 'Another session holds a lock on it.';
      when insufficient_privilege then
        measure.problem := format('%I may not read it.', current_user);
        measure.fix := format('grant select on sequence %s to %I;', candidate.name, current_user);
      when undefined_table or syntax_error or wrong_object_type or internal_error or sqlstate 'NS404' or sqlstate 'NS422' then
        -- It was dropped just now, perhaps before its name could be read.
        continue;
    end;
    return next measure;
  end loop;
end;
$$;

comment on function nightshift.health_sequences is
  'Numbers used in percent of those that the sequence, the columns that take their values from it, and those that refer to them can hold. Sequences with the whole range of bigint are left out. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'sequences',
  title => 'Numbers left in sequences',
  healthy => 'No sequence is about to run out of numbers.',
  why => 'When an integer key is used up, every insert fails, and making room rewrites the whole table: a job for a quiet night, not for that morning.',
  unit => 'percent', info => 50, warning => 75, critical => 90
);
