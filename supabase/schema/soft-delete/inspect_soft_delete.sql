create or replace function nightshift.inspect_soft_delete(relation regclass default null)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  settings nightshift.soft_delete_tables;
  steps jsonb;
  answer jsonb := '[]';
  context text;
begin
  for settings in
    select t.* from nightshift.soft_delete_tables t
    where inspect_soft_delete.relation is null or t.relation = inspect_soft_delete.relation
    order by t.relation::text
  loop
    begin
      perform nightshift.check_soft_delete(settings);
      select coalesce(jsonb_agg(jsonb_build_object('statement', s.statement, 'why', s.why, 'lock', s.lock)), '[]') into steps
      from (
        select format('select nightshift.enable_soft_delete(%L);', settings.relation::text) as statement,
          format('The history has it as %s, the name that it had.', settings.relation_name) as why, 'none' as lock, false as outside_transaction
        where settings.relation_name <> settings.relation::text
        union all
        select s.* from nightshift.soft_delete_steps(settings, null) s
        union all
        select g.* from nightshift.guard_steps(settings.relation) g
      ) s;
    exception
      when sqlstate 'NS404' or sqlstate 'NS422' then
        get stacked diagnostics context = message_text;
        steps := jsonb_build_array(jsonb_build_object('statement', null, 'why', context, 'lock', null));
    end;
    answer := answer || jsonb_build_object(
      -- Of a table that was dropped there is no other name.
      'relation', case when to_regclass(settings.relation::text) is null then settings.relation_name else settings.relation::text end,
      'columns', jsonb_strip_nulls(jsonb_build_object('marker', settings.marker_column, 'flag', settings.flag_column, 'by', settings.by_column,
        'reason', settings.reason_column, 'operation', settings.operation_column)),
      'views', settings.views, 'hide', settings.hide, 'forUsers', settings.for_users, 'realtime', settings.realtime,
      'activeIndexes', settings.active_indexes,
      'cascade', (
        select coalesce(jsonb_agg(s.referencing::text order by s.referencing::text), '[]')
        from nightshift.soft_delete_cascades s where s.relation = settings.relation
      ),
      'missing', steps,
      'advice', nightshift.soft_delete_advice(settings)
    );
  end loop;
  if answer = '[]' and inspect_soft_delete.relation is not null then
    raise exception using
      errcode = 'NS404',
      message = format('Soft delete is not enabled for %s', relation),
      hint = format('See first what it would do: select nightshift.enable_soft_delete(%L, dry_run => true);', relation::text);
  end if;
  return answer;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.inspect_soft_delete is
  'Each table with soft delete, or one, as an array: {relation, columns, views, hide, forUsers, realtime, activeIndexes, cascade, missing: what has drifted since it was enabled, each with the statement that mends it, [{statement, why, lock}]; advice: what else is not safe or fast, in the same form}. Errors: NS404 not enabled for it.';
