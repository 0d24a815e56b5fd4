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
];
