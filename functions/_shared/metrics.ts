import { MetricUnit, Metrics as PowertoolsMetrics } from '@aws-lambda-powertools/metrics';

const units = {
  RunSucceeded: MetricUnit.Count,
  RunFailed: MetricUnit.Count,
  RunPartial: MetricUnit.Count,
  RunSkipped: MetricUnit.Count,
  RunLost: MetricUnit.Count,
  RunDurationMs: MetricUnit.Milliseconds,
  RowsPurged: MetricUnit.Count,
  RowsBlocked: MetricUnit.Count,
  BacklogRows: MetricUnit.Count,
  BacklogAgeSeconds: MetricUnit.Seconds,
  BatchDurationMs: MetricUnit.Milliseconds,
  ViewsRefreshed: MetricUnit.Count,
  ViewsSkippedUnchanged: MetricUnit.Count,
  ViewsStale: MetricUnit.Count,
  ViewRefreshMs: MetricUnit.Milliseconds,
  ViewStalenessSeconds: MetricUnit.Seconds,
  PartitionsCreated: MetricUnit.Count,
  PartitionsRetired: MetricUnit.Count,
  PartitionsDropped: MetricUnit.Count,
  PartitionsOversized: MetricUnit.Count,
  PartitionHorizonDays: MetricUnit.Count,
  DefaultPartitionRows: MetricUnit.Count,
} as const;

type MetricName = keyof typeof units;

/** Metrics of a job, written to the log in CloudWatch's embedded metric format. */
export interface Metrics {
  add(name: MetricName, value: number): void;
  /** Facts beside the metrics that are no dimensions, such as relation names. */
  describe(key: string, value: string): void;
  flush(): void;
}

/** The only dimension is `service`, the job: each value of a dimension is a metric that is billed. */
export function createMetrics(job: string): Metrics {
  const metrics = new PowertoolsMetrics({ namespace: 'Nightshift', serviceName: job });
  let pending = false;
  return {
    add: (name, value) => {
      metrics.addMetric(name, units[name], value);
      pending = true;
    },
    describe: (key, value) => metrics.addMetadata(key, value),
    flush: () => {
      if (pending) metrics.publishStoredMetrics();
      pending = false;
    },
  };
}

export const noMetrics: Metrics = { add() {}, describe() {}, flush() {} };
