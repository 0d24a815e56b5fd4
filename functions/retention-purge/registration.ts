import type { Registration } from '../registration.ts';

export const registration = {
  name: 'retention-purge',
  purpose: 'Deletes the rows that their retention policies let go, in small committed batches.',
  load: () => import('./job.ts'),
  loadPresenter: () => import('../../cli/present/retention-purge.ts'),
  parameters: {
    'schedule-retention-purge': 'cron(0 2 * * ? *)',
    // Seconds since a run last did its work: the longest gap of the schedule plus two hours, 26 hours for a daily one.
    'missed-after-retention-purge': '93600',
    // Three days, so that three nights were not enough.
    'backlog-age-seconds': '259200',
  },
  schedules: [{ parameter: 'schedule-retention-purge' }],
  alarms: {
    ofRuns: {
      failed: { says: 'The last purge failed, so rows that are due stay.' },
      partial: { says: 'Two or more purges in a row left rows that are due.' },
      missed: {
        says: 'No purge has done its work for ${param:missed-after-retention-purge} seconds.',
      },
      lost: { says: 'A purge died without writing down how it ended.' },
      undelivered: {
        says: 'The event bus did not take an event of the purge, so a run with work left may wait for the next night.',
      },
    },
    ofFigures: {
      // The minimum, since the later of two attempts within a quarter of an hour leaves less.
      'backlog-age': {
        says: 'After the purge there is still a row that has been due for more than ${param:backlog-age-seconds} seconds.',
        MetricName: 'BacklogAgeSeconds',
        Statistic: 'Minimum',
        Threshold: '${param:backlog-age-seconds}',
      },
    },
  },
  dashboard: {
    title: 'Purge',
    row: [
      {
        title: 'Rows purged, rows that went with them, and rows still needed',
        stat: 'Sum',
        period: 86_400,
        metrics: [
          ['RowsPurged', { label: 'purged' }],
          ['ChildRowsPurged', { label: 'went with them' }],
          ['RowsBlocked', { label: 'still needed' }],
        ],
      },
      {
        title: 'Backlog after the purge, and the age of its oldest row in seconds',
        stat: 'Minimum',
        period: 86_400,
        metrics: [
          ['BacklogRows', { label: 'rows' }],
          ['BacklogAgeSeconds', { label: 'age in seconds', yAxis: 'right' }],
        ],
        yAxis: { left: { min: 0 }, right: { min: 0 } },
      },
    ],
    durations: [
      {
        title: 'Duration of a batch of the purge',
        period: 86_400,
        metrics: [
          ['BatchDurationMs', { stat: 'p50', label: 'half of them' }],
          ['BatchDurationMs', { stat: 'Maximum', label: 'the longest' }],
        ],
        yAxis: { left: { min: 0 } },
      },
    ],
  },
} as const satisfies Registration;
