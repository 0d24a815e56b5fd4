create or replace function nightshift.next_slice(
  leaf regclass,
  marker_column name,
  flag_column name,
  due text,
  cursor jsonb,
  size bigint,
  rest text,
  out slice text,
  out ends text,
  out is_last boolean
)
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
set row_security = off
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
declare
  -- With one marker value, as after a bulk delete, there may be more than a batch has time for; size says what takes long here.
  max_rows constant bigint := greatest(size, least(10 * size, 20000));
  after constant text := coalesce(cursor ->> 'after', case cursor ->> 'mode' when 'sweep' then '(0,0)' else '-infinity' end);
  found_rows bigint;
begin
  if cursor ->> 'mode' = 'sweep' then
    if (after::point)[0] < ((cursor ->> 'inUseUntil')::point)[0] then
      return;
    end if;
    ends := format('(%s,0)', least((after::point)[0]::bigint + size, 4294967295));
    slice := format('t.ctid > %L and t.ctid < %L', after, ends);
    return;
  end if;

  -- All of them are printed in UTC, whatever the type of the marker.
  if after::timestamp < (cursor ->> 'inUseUntil')::timestamp then
    return;
  end if;
  if rest is not null then
    is_last := true;
    ends := 'infinity';
    slice := format('t.%I > %L and (%s)', marker_column, after, rest);
    return;
  end if;
  -- Each marker value once, so that the next slice can begin strictly after the last one.
  execute format(
    'select count(*), max(c.marker)::text from (
       select * from (
         select r.%1$I as marker from only %2$s r where (%3$s) and r.%1$I > %4$L
         order by r.%1$I fetch first %5$s rows with ties
       ) c limit %6$s
     ) c',
    marker_column, nightshift.trusted_name(leaf), due, after, size, max_rows + 1
  ) into found_rows, ends;
  if found_rows <= max_rows then
    is_last := found_rows < size;
    ends := coalesce(ends, after);
    slice := format('t.%1$I > %2$L and t.%1$I <= %3$L', marker_column, after, ends)
      -- So that an index of flagged rows alone serves the DELETE, too.
      || case when flag_column is null then '' else format(' and t.%I', flag_column) end;
  end if;
end;
$$;

comment on function nightshift.next_slice is
  'The next slice of a leaf after cursor.after, as an SQL condition on its rows t: in a sweep size blocks, by the index of the marker the values of about size due rows, flagged where the policy asks for it. ends: what cursor.after is behind it. is_last: by the index, whether no due row lies behind it. slice is null where rows are in use (cursor.inUseUntil), or one value of the marker has too many of them: those are chosen, locked and looked at. rest: the condition of a due row t, for one slice of all that is left, by the index of the marker alone, which spares the look for an end.';
