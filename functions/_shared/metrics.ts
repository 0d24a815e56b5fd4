import { MetricUnit, Metrics as PowertoolsMetrics } from '@aws-lambda-powertools/metrics';

export const metricUnits = {
  RunSucceeded: MetricUnit.Count,
  RunFailed: MetricUnit.Count,
  RunPartial: MetricUnit.Count,
  RunLost: MetricUnit.Count,
  RowsPurged: MetricUnit.Count,
  ChildRowsPurged: MetricUnit.Count,
  RowsBlocked: MetricUnit.Count,
  BacklogRows: MetricUnit.Count,
  BacklogAgeSeconds: MetricUnit.Seconds,
  BatchDurationMs: MetricUnit.Milliseconds,
  ViewsRefreshed: MetricUnit.Count,
  ViewsSkippedUnchanged: MetricUnit.Count,
  ViewsStale: MetricUnit.Count,
  ViewRefreshMs: MetricUnit.Milliseconds,
  ViewStalenessSeconds: MetricUnit.Seconds,
  TablesVacuumed: MetricUnit.Count,
  TablesNotVacuumed: MetricUnit.Count,
  DeadRowsRemoved: MetricUnit.Count,
  VacuumMs: MetricUnit.Milliseconds,
  PartitionsCreated: MetricUnit.Count,
  PartitionsRetired: MetricUnit.Count,
  PartitionsDropped: MetricUnit.Count,
  PartitionsOversized: MetricUnit.Count,
  PartitionHorizonDays: MetricUnit.Count,
  DefaultPartitionRows: MetricUnit.Count,
  SecondsSinceLastSuccess: MetricUnit.Seconds,
  FailedRunsInRow: MetricUnit.Count,
  PartialRunsInRow: MetricUnit.Count,
  LostRunsInRow: MetricUnit.Count,
  ChecksWarning: MetricUnit.Count,
  ChecksCritical: MetricUnit.Count,
  ChecksUnknown: MetricUnit.Count,
  DatabaseBytes: MetricUnit.Bytes,
  SlowStatements: MetricUnit.Count,
  SoftDeletesPerHour: MetricUnit.Count,
  FailedRestores: MetricUnit.Count,
  EventsUndelivered: MetricUnit.Count,
} as const;

export type MetricName = keyof typeof metricUnits;

/** Metrics of a job, written to the log in CloudWatch's embedded metric format (EMF). */
export interface Metrics {
  add(name: MetricName, value: number): void;
  /** A metric of another job: the health check reports on all of them. */
  addFor(job: string, name: MetricName, value: number): void;
  /** Metadata beside the metrics, such as the names of relations: as dimensions they would be billed. */
  describe(key: string, value: string): void;
  flush(): void;
}

/** The only dimension is `service`, the job, since CloudWatch bills each value of a dimension as a metric. */
export function createMetrics(job: string): Metrics {
  // serverless.yml gives each stage a namespace, so that two stages in one account are not counted as one.
  const namespace = process.env.POWERTOOLS_METRICS_NAMESPACE || 'Nightshift';
  const pending = new Map<string, PowertoolsMetrics>();
  const of = (serviceName: string) => {
    const metrics = pending.get(serviceName) ?? new PowertoolsMetrics({ namespace, serviceName });
    pending.set(serviceName, metrics);
    return metrics;
  };
  const addFor: Metrics['addFor'] = (service, name, value) =>
    of(service).addMetric(name, metricUnits[name], value);
  return {
    add: (name, value) => addFor(job, name, value),
    addFor,
    describe: (key, value) => of(job).addMetadata(key, value),
    flush: () => {
      for (const metrics of pending.values()) {
        if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
      }
      pending.clear();
    },
  };
}

export const noMetrics: Metrics = { add() {}, addFor() {}, describe() {}, flush() {} };
