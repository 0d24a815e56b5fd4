import { expect } from 'vitest';
import type { TestDatabase } from '../database.ts';
import type { HealthScenario } from '../health.ts';

const run =
  (statements: string) =>
  async ({ sql }: TestDatabase) => {
    await sql.unsafe(statements);
  };

export const structureScenarios: HealthScenario[] = [
  {
    check: 'unused_indexes',
    finding: {
      subject: 'app."Unread_n_idx"',
      level: 'info',
      detail: /on app\."Unread"; not read since statistics began, \d{4}-/,
    },
    // A fill factor of 10 makes of a small index a large one.
    sicken: run(`
        create table app."Unread" as select n from generate_series(1, 60000) n;
        create index on app."Unread" (n) with (fillfactor = 10);
      `),
    ahead: '36 days',
    mend: 'fix',
    obstruct: { revoke: 'pg_catalog.pg_index' },
  },
  {
    check: 'duplicate_indexes',
    finding: {
      subject: 'app.twice_a_idx',
      level: 'info',
      detail: /on app\.twice; app\.twice_a_b_idx begins with the same columns/,
    },
    sicken: run(`
        create table app.twice as select n as a, n as b from generate_series(1, 60000) n;
        create index on app.twice (a);
        create index on app.twice (a, b);
      `),
    mend: 'fix',
    obstruct: { revoke: 'pg_catalog.pg_index' },
  },
  {
    check: 'invalid_indexes',
    finding: {
      subject: 'app.repeated_n_idx',
      level: 'warning',
      detail: /on app\.repeated; its build did not finish/,
    },
    sicken: async ({ sql }) => {
      await sql`create table app.repeated as select 1 as n from generate_series(1, 2)`;
      const build = sql`create unique index concurrently on app.repeated (n)`;
      await expect(build).rejects.toMatchObject({ code: '23505' });
    },
    mend: 'fix',
    obstruct: { revokeRole: 'pg_monitor' },
    unknown: /sees only its own sessions/,
  },
  {
    check: 'foreign_keys_without_index',
    finding: {
      subject: 'app.song (album, "Disc")',
      level: 'info',
      detail: /^"song_album_Disc_fkey" to app\.album$/,
    },
    sicken: run(`
        create table app.album (id integer, "Disc" integer, primary key (id, "Disc"));
        create table app.song (
          album integer, "Disc" integer, title text, foreign key (album, "Disc") references app.album
        );
        create index on app.song (title, album);
        insert into app.album select n, 1 from generate_series(1, 1000) n;
        insert into app.song select n, 1 from generate_series(1, 1000) n;
        analyze app.song;
      `),
    mend: 'fix',
    obstruct: { revoke: 'pg_catalog.pg_constraint' },
  },
  {
    check: 'views_not_populated',
    finding: { subject: 'app.second_view', level: 'warning', detail: /app\.first_view/ },
    sicken: run(`
        create materialized view app.first_view as select 1 as n with no data;
        create materialized view app.second_view as select n from app.first_view with no data;
      `),
    mend: 'fix',
    obstruct: { revoke: 'pg_catalog.pg_class' },
  },
  {
    check: 'partitions_without_rls',
    finding: {
      subject: 'app.letters_a',
      level: 'critical',
      detail: /^anon can reach it past the row level security of app\.letters$/,
    },
    sicken: async ({ sql }) => {
      await sql.unsafe(`
        create table app.letters (id integer, kind text) partition by list (kind);
        create table app.letters_a partition of app.letters for values in ('a');
        alter table app.letters enable row level security;
        grant usage on schema app to anon;
        grant select on app.letters_a to anon;
      `);
      return () => sql`revoke usage on schema app from anon`;
    },
    mend: 'fix',
    obstruct: { revoke: 'pg_catalog.pg_class' },
  },
  {
    check: 'views_exposed',
    finding: {
      subject: 'app.open_view',
      level: 'warning',
      detail: /can be read by authenticated; .* gets 42501 then$/,
    },
    sicken: async ({ sql }) => {
      await sql.unsafe(`
        create materialized view app.open_view as select 1 as n;
        grant usage on schema app to authenticated;
        grant select on app.open_view to authenticated;
      `);
      return () => sql`revoke usage on schema app from authenticated`;
    },
    mend: 'fix',
    obstruct: { revoke: 'pg_catalog.pg_class' },
  },
  {
    check: 'nightshift_exposed',
    finding: {
      subject: 'nightshift.pause(text)',
      level: 'critical',
      detail: /^anon and public may execute; it has no search path of its own$/,
    },
    sicken: run(`
        grant execute on function nightshift.pause to anon, public;
        alter function nightshift.pause reset search_path;
      `),
    mend: 'fix',
    obstruct: { revoke: 'pg_catalog.pg_proc' },
  },
];
