create or replace function nightshift.describe_growth(kind text, subject text, as_of timestamptz)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_build_object(
      'points', g.points,
      'stepOn', g.step_on,
      'stepBytes', g.step_bytes,
      'bytesPerDay7', round(g.bytes_per_day_7),
      'bytesPerDay28', round(g.bytes_per_day_28)
    )
    from nightshift.growth_of(describe_growth.kind, describe_growth.subject, describe_growth.as_of) g
  );
end;
$$;

comment on function nightshift.describe_growth is
  'What growth_of says of a database or table, as JSON: points, stepOn and stepBytes (null: no step), bytesPerDay7 and bytesPerDay28 (null: fewer than 14 points; the former also for fewer than 4 in that week).';
