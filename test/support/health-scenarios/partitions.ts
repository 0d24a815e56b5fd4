import type { HealthScenario } from '../health.ts';

export const partitionScenarios: HealthScenario[] = [
  {
    check: 'oversized_partitions',
    finding: {
      subject: 'app."Log_2026"',
      level: 'warning',
      detail: /^of app\."Log", with indexes/,
    },
    sicken: async ({ sql }) => {
      await sql.unsafe(`
        create table app."Log" (at timestamptz primary key, note text) partition by range (at);
        create table app."Log_2026" partition of app."Log" for values from ('2026-01-01') to ('2027-01-01');
        insert into app."Log" select '2026-01-01'::timestamptz + n * interval '1 s', repeat('x', 100) from generate_series(1, 2000) n;
        analyze app."Log_2026";
        update nightshift.settings set partition_alert_bytes = 100000`);
    },
    mend: ({ sql }) =>
      sql.unsafe(`
        update nightshift.settings set partition_alert_bytes = default;
        drop table app."Log"`),
    obstruct: { revoke: 'pg_catalog.pg_inherits' },
  },
  {
    check: 'hidden_partitions',
    finding: {
      subject: 'app.visits_2020',
      level: 'critical',
      detail: /^half detached from app\.visits: its rows cannot be seen/,
    },
    sicken: ({ sql }) =>
      sql.unsafe(`
        create table app.visits (at date not null) partition by range (at);
        create table app.visits_2020 partition of app.visits for values from ('2020-01-01') to ('2021-01-01');
        create table app.visits_rest partition of app.visits for values from ('2021-01-01') to (maxvalue);
        update pg_inherits set inhdetachpending = true where inhrelid = 'app.visits_2020'::regclass`),
    mend: 'fix',
    obstruct: { revoke: 'pg_catalog.pg_inherits' },
  },
];
