import type { HealthScenario } from '../health.ts';

export const serverScenarios: HealthScenario[] = [
  {
    check: 'connections',
    finding: { subject: 'all connections', level: 'critical', detail: /\d+ of \d+: \d+ active/ },
    sicken: async ({ sql }) => {
      await sql`select nightshift.set_health_threshold('connections', null, warning => 0.1, critical => 0.2)`;
    },
    mend: ({ sql }) => sql`select nightshift.remove_health_threshold('connections')`,
    obstruct: { revokeRole: 'pg_monitor' },
    unknown: /sees only its own sessions/,
  },
];
