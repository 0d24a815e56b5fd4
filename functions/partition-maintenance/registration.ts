import type { Registration } from '../registration.ts';

export const registration = {
  name: 'partition-maintenance',
  purpose: 'Makes the partitions that are needed ahead, and retires those whose time is over.',
  load: () => import('./job.ts'),
  loadPresenter: () => import('../../cli/present/partition-maintenance.ts'),
  parameters: {
    // Before the purge, which leaves alone the partitions that are about to be retired.
    'schedule-partition-maintenance': 'cron(30 1 * * ? *)',
    // Seconds since a run last did its work: the longest gap of the schedule plus two hours, 26 hours for a daily one.
    'missed-after-partition-maintenance': '93600',
    // For tables whose policy reaches two weeks ahead or more. The check partition_horizon measures the others by their policy.
    'partition-horizon-days': '7',
    'default-partition-rows': '1',
  },
  schedules: [{ parameter: 'schedule-partition-maintenance' }],
  alarms: {
    ofRuns: {
      failed: { says: 'The last run failed, so no partitions are made or retired.' },
      partial: {
        says: 'Two or more runs in a row could not make, retire or drop all partitions that they should.',
      },
      missed: {
        says: 'No partition maintenance has done its work for ${param:missed-after-partition-maintenance} seconds.',
      },
      lost: { says: 'A run of partition maintenance died without writing down how it ended.' },
      undelivered: {
        says: 'The event bus did not take an event of partition maintenance, so a run with work left may wait for the next night.',
      },
    },
    ofFigures: {
      // Beyond the horizon, inserts fail or go to the default partition.
      'partition-horizon': {
        says: 'A table has partitions for less than ${param:partition-horizon-days} days to come.',
        MetricName: 'PartitionHorizonDays',
        Statistic: 'Minimum',
        ComparisonOperator: 'LessThanThreshold',
        Threshold: '${param:partition-horizon-days}',
      },
      'default-partition-rows': {
        says: 'After the run default partitions still hold rows that have no place elsewhere.',
        MetricName: 'DefaultPartitionRows',
        Statistic: 'Minimum',
        Threshold: '${param:default-partition-rows}',
      },
    },
  },
  dashboard: {
    title: 'Partition maintenance',
    row: [
      {
        title: 'Partitions made, retired, dropped',
        stat: 'Sum',
        period: 86_400,
        metrics: [
          ['PartitionsCreated', { label: 'made' }],
          ['PartitionsRetired', { label: 'retired' }],
          ['PartitionsDropped', { label: 'dropped' }],
        ],
      },
      {
        title: 'Room ahead, rows of default partitions, and partitions over the limit',
        period: 86_400,
        metrics: [
          ['PartitionHorizonDays', { stat: 'Minimum', label: 'days of room' }],
          [
            'DefaultPartitionRows',
            { stat: 'Maximum', label: 'rows of default partitions', yAxis: 'right' },
          ],
          ['PartitionsOversized', { stat: 'Maximum', label: 'over the limit', yAxis: 'right' }],
        ],
        yAxis: { left: { min: 0 }, right: { min: 0 } },
      },
    ],
  },
} as const satisfies Registration;
