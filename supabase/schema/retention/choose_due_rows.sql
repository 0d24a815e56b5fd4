create or replace function nightshift.choose_due_rows(
  leaf regclass,
  due text,
  marker_column name,
  locking text,
  batch_rows integer,
  inout cursor jsonb,
  out chosen tid[],
  out passed_over bigint
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
  leaf_name constant text := nightshift.trusted_name(leaf);
  -- What an index walk has seen already is not looked at twice.
  unseen constant text := due || case when cursor ? 'floor' then format(' and r.%I > %L', marker_column, cursor ->> 'floor') else '' end;
  -- Rows with one marker value that may go in one batch, where batches are not small for a reason.
  max_ties constant integer := greatest(4 * batch_rows, case when batch_rows >= 500 then 20000 else 0 end);
  start tid;
  next_block bigint;
  rows_per_page numeric;
  found_tids tid[];
  found_rows integer;
  last_marker text;
begin
  if cursor ->> 'mode' = 'sweep' then
    -- Block by block, each block once: no batch meets what an earlier one killed.
    select greatest(1, least(291, case when c.relpages > 0 and c.reltuples > 0 then c.reltuples / c.relpages else 50 end))
    into rows_per_page
    from pg_catalog.pg_class c where c.oid = leaf;
    start := coalesce(cursor ->> 'after', '(0,0)')::tid;
    next_block := (start::text::point)[0]::bigint + greatest(1, round(batch_rows / rows_per_page));
    execute format(
      'select array_agg(r.ctid) from (
         select r.ctid from only %s r
         where r.ctid > %L and r.ctid < ''(%s,0)'' and r.tableoid = %s and coalesce(%s, false)
         limit %s %s
       ) r',
      leaf_name, start, least(next_block, 4294967295), leaf::oid, unseen, batch_rows, locking
    ) into chosen;
    -- Stopped by the limit, the next batch begins in mid-page; never past the pages read, wherever a row has moved to.
    if cardinality(chosen) >= batch_rows then
      cursor := cursor || jsonb_build_object(
        'after', (select least(max(c), format('(%s,0)', next_block)::tid) from unnest(chosen) c), 'leafDone', false
      );
    else
      cursor := cursor || jsonb_build_object(
        'after', format('(%s,0)', next_block),
        'leafDone', next_block >= pg_relation_size(leaf) / current_setting('block_size')::bigint
      );
    end if;
    if locking <> '' then
      execute format(
        'select count(*) - count(*) filter (where r.ctid = any($1)) from only %s r
         where r.ctid > %L and r.ctid <= %L and r.tableoid = %s and coalesce(%s, false)',
        leaf_name, start, cursor ->> 'after', leaf::oid, unseen
      ) into passed_over using coalesce(chosen, '{}');
    end if;
    return;
  end if;

  if nightshift.marker_walk(leaf, marker_column, due) = 'index' then
    -- In marker order, each marker value once: with ties, so the next batch can begin strictly after the last value.
    execute format(
      'select array_agg(c.ctid), count(*), max(c.marker)::text from (
         select * from (
           select r.ctid, r.%1$I as marker from only %2$s r where %3$s and r.%1$I > %4$L
           order by r.%1$I fetch first %5$s rows with ties
         ) c limit %6$s
       ) c',
      marker_column, leaf_name, due, coalesce(cursor ->> 'after', '-infinity'), batch_rows, max_ties + 1
    ) into found_tids, found_rows, last_marker;
  end if;
  if found_rows is null or found_rows > max_ties then
    -- The index was dropped meanwhile, or one value of the marker is on very many rows, as after a bulk delete: there is no
    -- order to continue by.
    cursor := cursor - 'inUseUntil' - 'size' - 'pace' || jsonb_build_object(
      'mode', 'sweep', 'after', '(0,0)', 'floor', coalesce(cursor ->> 'after', '-infinity'), 'leafDone', false
    );
    return;
  end if;
  execute format(
    'select array_agg(r.ctid) from (
       select r.ctid from only %s r where r.ctid = any($1) and r.tableoid = %s and coalesce(%s, false) %s
     ) r',
    leaf_name, leaf::oid, due, locking
  )
  into chosen using found_tids;
  passed_over := found_rows - coalesce(cardinality(chosen), 0);
  cursor := cursor || jsonb_build_object('after', last_marker, 'leafDone', found_rows < batch_rows);
end;
$$;

comment on function nightshift.choose_due_rows is
  'The next due rows of a leaf after cursor, about batch_rows of them, or up to 20,000 with one marker value, locked when locking says so and then known to be due under the lock; passed_over: how many it came past that are in use. cursor: mode (sweep: after is the address of a row; index: after is a marker value), after, and leafDone once nothing is left behind it.';
