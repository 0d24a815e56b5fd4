create or replace function nightshift.describe_status(as_of timestamptz)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  sections jsonb := '{}';
  section text;
  document jsonb;
  is_stopped boolean := false;
begin
  -- What matters most comes first, and what takes longest last.
  foreach section in array array['health', 'jobs', 'queries', 'views', 'partitions', 'retention', 'trends'] loop
    -- The clock of the statement timeout has run out, and starts anew only with the next call.
    document := case
      when is_stopped then '{"items": [], "total": null, "problem": "There was no time left for it."}'
      else nightshift.status_section(section, as_of)
    end;
    is_stopped := is_stopped or coalesce((document ->> 'stopped')::boolean, false);
    sections := sections || jsonb_build_object(section, document - 'stopped');
  end loop;
  return jsonb_build_object(
    'version', 1,
    'takenAt', as_of,
    'oldAfter', as_of + greatest(2 * nightshift.usual_gap('health-check'), interval '30 minutes'),
    'database', jsonb_build_object(
      'name', current_database(),
      'serverVersion', current_setting('server_version'),
      'bytes', pg_database_size(current_database())
    ),
    'projectUrl', (select h.project_url from nightshift.home h),
    'headline', nightshift.status_headline(sections)
  ) || sections;
end;
$$;

comment on function nightshift.describe_status is
  'The snapshot of how everything is: version, takenAt, oldAfter (when the next should long have been taken), database, projectUrl, headline, and the sections jobs, retention, views, partitions, health, trends and queries. It counts no rows: it gathers what the ledger, the reports of the last runs, the last health checks and the catalogs say.';
