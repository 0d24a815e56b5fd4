create or replace function nightshift.problem_of(policy regclass, code text, message text, hint text)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  better_hint text;
begin
  if code = '53200' then
    perform nightshift.require_room_for_locks(policy);
  end if;
  return jsonb_build_object('code', code, 'message', message, 'hint', nullif(hint, ''));
exception
  when sqlstate 'NS422' then
    get stacked diagnostics better_hint = pg_exception_hint;
    return jsonb_build_object('code', sqlstate, 'message', sqlerrm, 'hint', better_hint);
end;
$$;

comment on function nightshift.problem_of is
  'Why a policy cannot be looked at: code, message and hint (null for none) of the error that was raised, or of one that says more (see require_room_for_locks).';
