import type { Registration } from '../registration.ts';

export const registration = {
  name: 'table-vacuum',
  purpose: 'Vacuums and analyzes the tables that need it, those first that a purge has been at.',
  load: () => import('./job.ts'),
  loadPresenter: () => import('../../cli/present/table-vacuum.ts'),
  parameters: {
    // Without a direct connection it could only say what it would do.
    'table-vacuum': '${param:direct}',
    // After the purge and the refreshes, which leave the dead rows.
    'schedule-table-vacuum': 'cron(45 2 * * ? *)',
    // Seconds since a run last did its work: the longest gap of the schedule plus two hours, 26 hours for a daily one.
    'missed-after-table-vacuum': '93600',
  },
  schedules: [{ parameter: 'schedule-table-vacuum' }],
  alarms: {
    ofRuns: {
      failed: { says: 'The last run vacuumed none of the tables that need it.' },
      partial: { says: 'Two or more runs in a row left tables that need a vacuum.' },
      missed: {
        says: 'No vacuum has done its work for ${param:missed-after-table-vacuum} seconds.',
      },
      lost: { says: 'A run of vacuums died without writing down how it ended.' },
      undelivered: {
        says: 'The event bus did not take an event of the vacuum, so a run with tables left may wait for the next night.',
      },
    },
    ofFigures: {},
  },
  dashboard: {
    title: 'Vacuum',
    row: [
      {
        title: 'Tables vacuumed, and left although they need it',
        stat: 'Sum',
        period: 86_400,
        metrics: [
          ['TablesVacuumed', { label: 'vacuumed' }],
          ['TablesNotVacuumed', { label: 'left' }],
        ],
      },
      {
        title: 'Dead rows removed by vacuum',
        stat: 'Sum',
        period: 86_400,
        metrics: [['DeadRowsRemoved', { label: 'rows' }]],
        yAxis: { left: { min: 0 } },
      },
    ],
    durations: [
      {
        title: 'Duration of a vacuum',
        period: 86_400,
        metrics: [
          ['VacuumMs', { stat: 'p50', label: 'half of them' }],
          ['VacuumMs', { stat: 'Maximum', label: 'the longest' }],
        ],
        yAxis: { left: { min: 0 } },
      },
    ],
  },
} as const satisfies Registration;
