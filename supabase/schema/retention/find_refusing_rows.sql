-- Each try is undone, so that nothing has to be looked at again before the next one.

create or replace function nightshift.find_refusing_rows(
  run nightshift.runs,
  scope oid[],
  rows nightshift.row_set[],
  keys nightshift.purge_key[],
  stop_at timestamptz,
  out refused nightshift.held_row[],
  out untried nightshift.held_row[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Where rows refer to each other in long chains, each goes only with very many others.
  max_members constant integer := 8 * nightshift.count_rows(rows) + 1000;
  due_rows nightshift.held_row[];
  -- With which sets each of them goes: those up to ends of it, and behind ends of the one before.
  members nightshift.row_set[];
  ends integer[];
  -- Which of them go only with others of them, and with which.
  dependent integer[];
  depends_on integer[];
  given_up integer[] := '{}';
  relations constant oid[] := array(select distinct r.relation from unnest(rows) r);
  names jsonb;
  first integer := 1;
  last integer;
  size integer;
  -- As far as one is known to refuse.
  suspect_until integer := 0;
  refused_last integer := 0;
  in_a_row integer := 0;
  refusal text;
begin
  refused := '{}';
  untried := '{}';
  select c.due_rows, c.members, c.ends, c.dependent, c.depends_on into due_rows, members, ends, dependent, depends_on
  from nightshift.closures_of(rows, keys, max_members) c;
  select jsonb_object_agg(n.relation, n.name) into names
  from unnest(relations, nightshift.trusted_names(relations)) n(relation, name);
  size := greatest(cardinality(due_rows) / 2, 1);
  while first <= cardinality(due_rows) loop
    if first > 1 and clock_timestamp() > stop_at then
      untried := due_rows[first:];
      return;
    end if;
    last := least(first + size - 1, cardinality(due_rows));
    refusal := nightshift.delete_rows(run, nightshift.members_between(members, ends, first, last, given_up), scope, names);
    if refusal is not null and last > first then
      suspect_until := last;
      size := (last - first + 1) / 2;
      continue;
    elsif refusal is not null and first > 1 and refused_last = first - 1
      -- Of many in a row, most refuse whatever goes with them.
      and (in_a_row < 8 or in_a_row % 9 < 2)
      and nightshift.delete_rows(run, nightshift.members_between(members, ends, first - 1, last, given_up), scope, names) is null
    then
      -- The like of two entries that balance each other: neither goes by itself.
      refused := trim_array(refused, 1);
      refused_last := 0;
      size := 2;
    elsif refusal is not null then
      in_a_row := case when refused_last = first - 1 then in_a_row + 1 else 0 end;
      refused_last := first;
      refused := refused || row(due_rows[first].policy, due_rows[first].relation, due_rows[first].tid, 'refused', refusal)::nightshift.held_row;
      -- What goes only with it stays as well, and need not be tried.
      given_up := given_up || array(select d.n from unnest(dependent, depends_on) d(n, other) where d.other = first);
      size := 1;
    elsif last < suspect_until then
      size := greatest((suspect_until - last) / 2, 1);
    else
      size := 2 * size;
    end if;
    first := last + 1;
  end loop;
end;
$$;

comment on function nightshift.find_refusing_rows is
  'Those due ones of rows, which delete_rows has just not let go together, that a trigger or constraint does not let go, with what refuses: parts of them are deleted, and that is undone: half as many after a part that refuses, one after a single row that does, and else twice as many, or half of what is known to have one that refuses. Neighbours that go only together are not refused. Rows that go only with a refused one are not tried. untried: those for which there was no time before stop_at. Nothing is found where too many rows go only with each other. Errors: those of delete_rows.';
