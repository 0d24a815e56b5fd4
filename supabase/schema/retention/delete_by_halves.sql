create or replace function nightshift.delete_by_halves(
  run nightshift.runs,
  scope oid[],
  component oid[],
  rows_to_delete nightshift.row_set[],
  inout held nightshift.held_row[],
  out deleted nightshift.row_set[],
  out released nightshift.released_row[],
  out moved nightshift.moved_row[],
  out is_stopped boolean
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- What is not decided by then waits for the next batch: one that ran into the statement timeout would have decided nothing.
  stop_at constant timestamptz := clock_timestamp() + interval '1 second';
  keys constant nightshift.purge_key[] := array(
    select k from nightshift.purge_keys(array(select r.policy from unnest(rows_to_delete) r union select unnest(component))) k
  );
  known_before constant integer := cardinality(held);
  found record;
  is_tried boolean := false;
  refusal text;
  refused nightshift.held_row;
  due_rows nightshift.held_row[];
  slices int4range[];
  slice int4range;
  part nightshift.row_set[];
  resolved record;
  going nightshift.row_set[];
  followed record;
  middle integer;
begin
  deleted := '{}';
  released := '{}';
  moved := '{}';
  select f.* into found from nightshift.find_refusing_rows(run, scope, rows_to_delete, keys, stop_at) f;
  held := held || found.refused;
  perform nightshift.remember_held(run.id, found.refused);
  is_stopped := cardinality(found.untried) > 0;
  -- Those seen last come first: what refers to others goes before them.
  due_rows := array(
    select row(r.policy, r.relation, t.tid, 'held', null)::nightshift.held_row
    from unnest(nightshift.subtract_held(rows_to_delete, found.refused || found.untried)) r
    cross join lateral unnest(r.tids) with ordinality t(tid, position)
    where r.due
    order by t.position
  );
  slices := case when cardinality(due_rows) > 0 then array[int4range(1, cardinality(due_rows), '[]')] else '{}' end;
  -- Together, some may refuse that would go each by itself.
  while cardinality(slices) > 0 loop
    if clock_timestamp() > stop_at and is_tried and (cardinality(deleted) > 0 or cardinality(held) > known_before) then
      is_stopped := true;
      return;
    end if;
    is_tried := true;
    slice := slices[cardinality(slices)];
    slices := trim_array(slices, 1);
    part := array(
      select row(g.policy, g.relation, true, g.tids)::nightshift.row_set
      from (
        select d.policy, d.relation, array_agg(d.tid) as tids
        from unnest(due_rows[lower(slice):upper(slice) - 1]) d
        -- Gone, or known to stay, with what was tried before.
        where (d.relation, d.tid) not in (select r.relation, t.tid from unnest(deleted) r cross join lateral unnest(r.tids) t(tid))
          and (d.relation, d.tid) not in (select h.relation, h.tid from unnest(held) h)
        group by d.policy, d.relation
      ) g
    );
    if cardinality(deleted) > 0 then
      -- What went before may have changed them: a reference was released, or a trigger did something.
      part := nightshift.subtract_held(nightshift.lock_rows(run, nightshift.follow_rows(part)), held);
    end if;
    select r.* into resolved from nightshift.resolve_references(run, part, component, true, 1000000) r;
    held := held || resolved.held;
    -- Known from here on, so that what comes next does not look at them again.
    perform nightshift.remember_held(run.id, resolved.held);
    going := resolved.rows_to_delete;
    refusal := nightshift.delete_rows(run, going, scope);
    if refusal is not null and upper(slice) - lower(slice) = 1 then
      -- It may be one of the other due rows that cannot go: where references run in a circle, children lead to them as well.
      going := nightshift.find_needed_with(going, part, keys);
      if nightshift.count_rows(going) < nightshift.count_rows(resolved.rows_to_delete) then
        refusal := nightshift.delete_rows(run, going, scope);
      end if;
    end if;
    if refusal is null then
      deleted := deleted || going;
      select f.* into followed from nightshift.follow_released(run.id, scope, nightshift.stay_released(resolved.released, going)) f;
      released := nightshift.stay_released(released || followed.released, deleted);
      moved := moved || followed.moved;
    elsif upper(slice) - lower(slice) = 1 then
      refused := row(part[1].policy, part[1].relation, part[1].tids[1], 'refused', refusal);
      held := held || refused;
      perform nightshift.remember_held(run.id, array[refused]);
    else
      middle := (lower(slice) + upper(slice)) / 2;
      slices := slices || int4range(lower(slice), middle) || int4range(middle, upper(slice));
    end if;
  end loop;
end;
$$;

comment on function nightshift.delete_by_halves is
  'Deletes what of rows can go, without those that a trigger or constraint refuses (see find_refusing_rows), and halving them where they refuse only together: they join held, and what they refer to. is_stopped: after a second, some of them were not decided. Errors: those of delete_rows.';
