-- The plan of a refresh: which views need one now, and why.
-- Why: what has changed is told by the catalogs and the counters, in one call for all views.
-- Locks: none on those of the application.

create or replace function nightshift.assess_view(
  policy nightshift.refresh_policies,
  force boolean default false,
  as_of timestamptz default now(),
  counted_until timestamptz default null,
  composites oid[] default null
)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  view regclass := nightshift.view_of(policy);
  -- Before the counters are read: a session that comes to rest in between must not be taken for counted.
  known_at timestamptz := coalesce(assess_view.counted_until, nightshift.counted_until(as_of));
  state jsonb;
  change text;
  rests_until timestamptz;
begin
  if view is null then
    return jsonb_build_object('reason', 'gone', 'detail', 'neither it nor another view of its name is there');
  end if;
  state := nightshift.view_state(view, composites);
  if force then
    return jsonb_build_object('reason', 'forced', 'detail', 'asked for by hand', 'state', state);
  end if;
  if not (select c.relispopulated from pg_catalog.pg_class c where c.oid = view) then
    return jsonb_build_object('reason', 'never', 'detail', 'it holds no data', 'state', state);
  end if;
  if policy.state is null or policy.view <> view then
    return jsonb_build_object('reason', 'never', 'state', state, 'detail', case
      when policy.state is null then 'Nightshift has not refreshed it yet' else 'it was created anew' end);
  end if;

  change := nightshift.what_changed(policy.state, state);
  if change is null then
    known_at := greatest(policy.last_refreshed_at, known_at);
    if as_of - known_at < policy.max_staleness then
      return jsonb_build_object(
        'reason', 'unchanged', 'detail', 'nothing it reads has changed', 'knownAt', known_at, 'state', state
      );
    end if;
    return jsonb_build_object(
      'reason', 'stale', 'state', state,
      'detail', 'a transaction that is still open keeps the counters from saying whether it changed'
    );
  end if;
  if as_of - coalesce(policy.data_as_of, policy.created_at) >= policy.max_staleness then
    return jsonb_build_object('reason', 'stale', 'detail', change, 'state', state);
  end if;
  -- Ten calls in a second refresh once, and no view is being refreshed for more than half of the time.
  rests_until := policy.last_refreshed_at
    + greatest(interval '10 seconds', make_interval(secs => policy.last_refresh_ms / 1000.0));
  if as_of < rests_until then
    return jsonb_build_object('reason', 'recent', 'state', state, 'detail', format(
      '%s, but it was refreshed %s s ago; from %s UTC on it is again, or at once: POST /jobs/view-refresh/runs with %s',
      change, extract(epoch from as_of - policy.last_refreshed_at)::integer,
      to_char(rests_until at time zone 'UTC', 'HH24:MI:SS'),
      jsonb_build_object('only', jsonb_build_array(view::text), 'force', true)
    ));
  end if;
  return jsonb_build_object('reason', 'changed', 'detail', change, 'state', state);
end;
$$;

comment on function nightshift.assess_view is
  'Whether a view needs a refresh: {reason, detail in words, state: see view_state}. never: no refresh of it is on record, or it holds no data; stale: it changed, or may have, and is older than max_staleness; changed; forced; and, where it needs none: unchanged (knownAt: nothing had changed until then); recent: changed, but refreshed less than 10 seconds or its last duration ago; gone. counted_until, composites: as nightshift.counted_until and nightshift.composite_types had it before.';
