-- The sections of the snapshot, each by itself: what is wrong with one costs that one.

create or replace function nightshift.status_section(section text, as_of timestamptz)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  document jsonb;
  failure text;
begin
  document := case section
    when 'jobs' then nightshift.status_jobs(as_of)
    when 'retention' then nightshift.status_retention(as_of)
    when 'views' then nightshift.status_views(as_of)
    when 'partitions' then nightshift.status_partitions(as_of)
    when 'health' then nightshift.status_health(as_of)
    when 'trends' then nightshift.status_trends(as_of)
    when 'queries' then nightshift.status_queries(as_of)
  end;
  return document || '{"problem": null}';
exception
  -- Whatever keeps one section from its answer must not keep the others from theirs; the headline says it.
  when query_canceled or others then
    get stacked diagnostics failure = message_text;
    raise log 'nightshift: the section % of the status could not be read: % (%)', section, failure, sqlstate;
    return jsonb_build_object(
      'items', '[]'::jsonb, 'total', null, 'stopped', sqlstate = '57014', 'problem', nightshift.failure_in_words(sqlstate, failure)
    );
end;
$$;

comment on function nightshift.status_section is
  'What status_<section>(as_of) returns, {items, total, ...}, with problem: null; or no items, the total null, in problem why it could not be read, and stopped: whether time ran out.';
