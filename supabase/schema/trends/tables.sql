-- How sizes, rows, connections and durations have developed.

create table if not exists nightshift.trend_points (
  kind text not null check (kind in ('database', 'table', 'job')),
  subject text not null,
  at timestamptz not null,
  bytes bigint,
  live_rows bigint,
  dead_rows bigint,
  rows_left bigint,
  connections integer,
  duration_ms bigint,
  newest_oid oid,
  primary key (kind, subject, at)
);

comment on table nightshift.trend_points is
  'The highest figures of each hour of the last 7 days, and of each day before that (at midnight UTC), kept for settings.trend_retention. See nightshift.describe_trends.';
comment on column nightshift.trend_points.subject is 'The name of the table or the job; of the database, empty.';
comment on column nightshift.trend_points.bytes is 'Of a table: with its indexes, long values and partitions.';
comment on column nightshift.trend_points.live_rows is 'As of the last vacuum or analyze: an estimate.';
comment on column nightshift.trend_points.rows_left is 'What the last purge left over of a table with a retention policy; of a day, the last figure.';
comment on column nightshift.trend_points.duration_ms is 'Of the longest run that ended in this time.';
comment on column nightshift.trend_points.newest_oid is
  'The highest number of a relation in this time: one with a higher number was made later.';

alter table nightshift.trend_points enable row level security;
