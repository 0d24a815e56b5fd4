import type { Registration } from '../registration.ts';

export const registration = {
  name: 'health-check',
  purpose:
    'Looks at the database and at the other jobs, and says what is wrong and how to mend it.',
  load: () => import('./job.ts'),
  loadPresenter: () => import('../../cli/present/health-check.ts'),
  parameters: {
    // On the fives, so that it never meets the full look: whoever comes second would be skipped.
    'schedule-health-check': 'cron(0/5 * * * ? *)',
    // After the night shift, of which it reports.
    'schedule-health-check-full': 'cron(2 5 * * ? *)',
    // It looks every five minutes; half an hour rides out a restart of the database.
    'missed-after-health-check': '1800',
    'soft-deletes-per-hour': '100',
  },
  schedules: [
    { parameter: 'schedule-health-check', input: { quick: true } },
    { parameter: 'schedule-health-check-full' },
  ],
  // It always ends in one go, so nothing is undelivered.
  alarms: {
    ofRuns: {
      // It looks again in five minutes, so one failure is no news: two of three are.
      failed: {
        says: 'The health check fails again and again, most likely because the database cannot be reached.',
        runbook: 'health-check-failed',
        Period: 300,
        EvaluationPeriods: 3,
        DatapointsToAlarm: 2,
      },
      // Twelve looks are an hour; a busy database may well be too slow for two.
      partial: {
        says: 'For an hour the health check had no time for all of its checks.',
        runbook: 'health-check-partial',
        Threshold: 12,
      },
      // Who watches the others must be watched by its silence. Short periods, because CloudWatch waits for some more of them
      // before it believes that data is missing.
      missed: {
        says: 'Nobody looks. The health check has been silent for half an hour, so the other alarms know nothing new.',
        runbook: 'health-check-missed',
        Period: 300,
        EvaluationPeriods: 6,
        TreatMissingData: 'breaching',
      },
      lost: { says: 'A health check died without writing down how it ended.' },
    },
    ofFigures: {
      'soft-deletes': {
        says: 'More than ${param:soft-deletes-per-hour} rows were marked as deleted within an hour.',
        MetricName: 'SoftDeletesPerHour',
        ComparisonOperator: 'GreaterThanThreshold',
        Threshold: '${param:soft-deletes-per-hour}',
      },
      'slow-statements': {
        says: 'A statement takes more than a second on average.',
        MetricName: 'SlowStatements',
        Threshold: 1,
      },
      'failed-restores': {
        says: 'Rows that someone wanted back could not be restored.',
        MetricName: 'FailedRestores',
        Threshold: 1,
      },
      // Minimum: at every look of a quarter of an hour. ChecksWarning has no alarm: a warning can wait for whoever reads the dashboard.
      'checks-critical': {
        says: 'A health check has found something critical, and still does.',
        MetricName: 'ChecksCritical',
        Statistic: 'Minimum',
        Threshold: 1,
      },
      // At every look of a day: a lock or a timeout passes, a missing right does not.
      'checks-unknown': {
        says: 'For a day a health check has been unable to look.',
        MetricName: 'ChecksUnknown',
        Statistic: 'Minimum',
        Period: 3600,
        EvaluationPeriods: 24,
        Threshold: 1,
      },
    },
  },
  dashboard: {
    title: 'Health check',
    overview: [
      {
        title: 'Health checks by level',
        stacked: true,
        stat: 'Maximum',
        period: 300,
        metrics: [
          ['ChecksCritical', { color: '#d62728', label: 'critical' }],
          ['ChecksWarning', { color: '#ff7f0e', label: 'warning' }],
          ['ChecksUnknown', { color: '#7f7f7f', label: 'unknown' }],
        ],
      },
    ],
    row: [
      {
        title: 'Size of the database in bytes',
        stat: 'Maximum',
        period: 3600,
        metrics: [['DatabaseBytes', { label: 'bytes' }]],
        yAxis: { left: { min: 0 } },
      },
      {
        title: 'Soft deletes an hour, and restores that failed',
        stat: 'Maximum',
        period: 3600,
        metrics: [
          ['SoftDeletesPerHour', { label: 'soft deletes an hour' }],
          ['FailedRestores', { label: 'failed restores', yAxis: 'right' }],
        ],
        yAxis: { left: { min: 0 }, right: { min: 0 } },
      },
      {
        title: 'Statements that take more than a second on average',
        stat: 'Maximum',
        period: 86_400,
        metrics: [['SlowStatements', { label: 'slow statements' }]],
        yAxis: { left: { min: 0 } },
      },
    ],
  },
} as const satisfies Registration;
