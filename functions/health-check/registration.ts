import type { Registration } from '../registration.ts';

export const registration = {
  name: 'health-check',
  purpose:
    'Looks at the database and at the other jobs, and says what is wrong and how to mend it.',
  load: () => import('./job.ts'),
  loadPresenter: () => import('../../cli/present/health-check.ts'),
  parameters: {
    // At multiples of five minutes, so that it never meets the full check: the second of two is skipped.
    'schedule-health-check': 'cron(0/5 * * * ? *)',
    // After the other jobs of the night, on which it reports.
    'schedule-health-check-full': 'cron(2 5 * * ? *)',
    // It runs every five minutes. Half an hour outlasts a restart of the database.
    'missed-after-health-check': '1800',
    'soft-deletes-per-hour': '100',
  },
  schedules: [
    { parameter: 'schedule-health-check', input: { quick: true } },
    { parameter: 'schedule-health-check-full' },
  ],
  // It is never continued, so no event can be undelivered.
  alarms: {
    ofRuns: {
      // It runs again in five minutes, so the alarm waits for two failures of three.
      failed: {
        says: 'The health check fails again and again, most likely because the database cannot be reached.',
        runbook: 'health-check-failed',
        Period: 300,
        EvaluationPeriods: 3,
        DatapointsToAlarm: 2,
      },
      // Twelve runs are an hour, in which a busy database may be too slow for two.
      partial: {
        says: 'For an hour the health check had no time for all of its checks.',
        runbook: 'health-check-partial',
        Threshold: 12,
      },
      // The health check watches the others, so its own silence has to ring. The periods are short because CloudWatch waits
      // for several of them before it counts data as missing.
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
      // The minimum means every run of a quarter of an hour. ChecksWarning has no alarm, since warnings can wait for a look at the dashboard.
      'checks-critical': {
        says: 'A health check has found something critical, and still does.',
        MetricName: 'ChecksCritical',
        Statistic: 'Minimum',
        Threshold: 1,
      },
      // The alarm waits for every run of a day: a lock or a timeout passes, a missing privilege does not.
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
