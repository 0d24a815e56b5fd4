create or replace function nightshift.delete_by_halves(
  run nightshift.runs,
  scope oid[],
  component oid[],
  rows_to_delete nightshift.row_set[],
  inout held nightshift.held_row[],
  out deleted nightshift.row_set[],
  out released nightshift.released_row[],
  out moved nightshift.moved_row[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- After so many, without one that went, it is not single rows that cannot go.
  max_refusals constant integer := 32;
  refusals integer := 0;
  refusal text;
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
  -- Those seen last come first: what refers to others goes before them.
  due_rows := array(
    select row(r.policy, r.relation, t.tid, 'held', null)::nightshift.held_row
    from unnest(rows_to_delete) r
    cross join lateral unnest(r.tids) with ordinality t(tid, position)
    where r.due
    order by t.position
  );
  slices := array[int4range(1, cardinality(due_rows), '[]')];
  while cardinality(slices) > 0 loop
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
      going := nightshift.find_needed_with(going, part, array(
        select k from nightshift.purge_keys(array(select g.policy from unnest(going) g union select unnest(component))) k
      ));
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
      held := held || row(part[1].policy, part[1].relation, part[1].tids[1], 'refused', refusal)::nightshift.held_row;
      insert into nightshift.purge_decisions values (run.id, part[1].relation, part[1].tids[1], 'refused', refusal)
      on conflict do nothing;
      refusals := refusals + 1;
      if refusals >= max_refusals and cardinality(deleted) = 0 then
        raise exception using
          errcode = 'NS422',
          message = format('No row of %s could be deleted: %s refused each of %s that were tried', part[1].relation::regclass, refusal, refusals),
          detail = 'The batch was rolled back, with whatever the trigger did.',
          hint = 'A BEFORE DELETE trigger that turns deletes into soft deletes must let rows go that are soft-deleted already; current_setting(''nightshift.run_id'', true) tells it that a purge deletes. To see what it says, delete one of the due rows by hand, its children first.';
      end if;
    else
      middle := (lower(slice) + upper(slice)) / 2;
      slices := slices || int4range(lower(slice), middle) || int4range(middle, upper(slice));
    end if;
  end loop;
end;
$$;

comment on function nightshift.delete_by_halves is
  'Deletes what of rows can go, halving them until those that a trigger or constraint refuses stand alone: they join held, and what they refer to. Errors: those of delete_rows, and NS422 when every row refuses.';
