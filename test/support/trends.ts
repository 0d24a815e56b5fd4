import type postgres from 'postgres';

/** The size of each day, oldest first; undefined for a day on which nothing was noted. */
export type Series = readonly (number | undefined)[];

export const series = (days: number, size: (day: number) => number): number[] =>
  Array.from({ length: days }, (_, day) => size(day));

/** Notes sizes of the days before today, of which the last one is yesterday. */
export async function noteSizes(
  sql: postgres.Sql,
  sizes: Series,
  { kind = 'database', subject = '' } = {},
): Promise<void> {
  const points = sizes.flatMap((size, place) =>
    size === undefined ? [] : { ago: sizes.length - place, size: Math.round(size) },
  );
  await sql`
    insert into nightshift.trend_points (kind, subject, at, bytes)
    select ${kind}, ${subject}, date_trunc('day', now(), 'UTC') - make_interval(days => p.ago), p.size
    from unnest(${points.map(({ ago }) => ago)}::integer[], ${points.map(({ size }) => size)}::bigint[]) p(ago, size)`;
}
