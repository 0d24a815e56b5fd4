import type { Registration } from '../registration.ts';

export const registration = {
  name: 'view-refresh',
  purpose: 'Refreshes the materialized views that need it, in the order of what they read.',
  load: () => import('./job.ts'),
  loadPresenter: () => import('../../cli/present/view-refresh.ts'),
  parameters: {
    // After the purge, which may change what the views show.
    'schedule-view-refresh': 'cron(30 2 * * ? *)',
    // Seconds since a run last did its work: the longest gap of the schedule plus two hours, 26 hours for a daily one.
    'missed-after-view-refresh': '93600',
  },
  schedules: [{ parameter: 'schedule-view-refresh' }],
  alarms: {
    ofRuns: {
      failed: { says: 'The last refresh failed, so views show old data.' },
      partial: { says: 'Two or more runs in a row left views that are due.' },
      missed: {
        says: 'No refresh has done its work for ${param:missed-after-view-refresh} seconds.',
      },
      lost: { says: 'A refresh died without writing down how it ended.' },
      undelivered: {
        says: 'The event bus did not take an event of a refresh, so a run with views left may wait for the next night.',
      },
    },
    ofFigures: {
      'views-stale': {
        says: 'After the refresh there is still a view whose data is older than its policy allows.',
        MetricName: 'ViewsStale',
        Statistic: 'Minimum',
        Threshold: 1,
      },
    },
  },
  dashboard: {
    title: 'View refresh',
    row: [
      {
        title: 'Views refreshed, and left because nothing changed',
        stat: 'Sum',
        period: 86_400,
        metrics: [
          ['ViewsRefreshed', { label: 'refreshed' }],
          ['ViewsSkippedUnchanged', { label: 'unchanged' }],
        ],
      },
      {
        title: 'Views too old after the refresh, and the age of the oldest in seconds',
        stat: 'Minimum',
        period: 86_400,
        metrics: [
          ['ViewsStale', { label: 'views too old' }],
          ['ViewStalenessSeconds', { label: 'age in seconds', yAxis: 'right' }],
        ],
        yAxis: { left: { min: 0 }, right: { min: 0 } },
      },
    ],
    durations: [
      {
        title: 'Duration of a refresh',
        period: 86_400,
        metrics: [
          ['ViewRefreshMs', { stat: 'p50', label: 'half of them' }],
          ['ViewRefreshMs', { stat: 'Maximum', label: 'the longest' }],
        ],
        yAxis: { left: { min: 0 } },
      },
    ],
  },
} as const satisfies Registration;
