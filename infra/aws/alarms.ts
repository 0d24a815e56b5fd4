import type { Alarm, AlarmKind, Registration } from '../../functions/registration.ts';

/*
 * Two kinds of metric, and why missing data means what it does:
 * - A figure (most of them) comes with each look of the health check, every five minutes, or with each nightly run; a zero of
 *   what went wrong in a row only for an hour after a run, and once a day. Between two figures the last one holds, so missing data is ignored: the alarm begins and ends with news. When the health check
 *   itself is dead, no figure comes and nothing changes but health-check-missed, where missing data is breaching: one alarm
 *   for one cause, and none for a job that nobody uses, of which there is no figure.
 * - An event (EventsUndelivered) is there only when it happens: missing data is good.
 * Logs are delivered at least once, so nothing here counts exactly: statistics are Maximum or Minimum, never Sum.
 */
const namespace = '${self:custom.metricsNamespace}';
const topic = [{ Ref: 'AlarmTopic' }];
const alarm = {
  AlarmActions: topic,
  OKActions: topic,
  ComparisonOperator: 'GreaterThanOrEqualToThreshold',
  EvaluationPeriods: 1,
  TreatMissingData: 'ignore',
};

/** A quarter of an hour holds three looks, so a late one leaves no gap. */
const usualPeriodSeconds = 900;

const dimensionsOf = (job: string) => [{ Name: 'service', Value: job }];

const figure = (job: string, periodSeconds = usualPeriodSeconds) => ({
  ...alarm,
  Namespace: namespace,
  Dimensions: dimensionsOf(job),
  Statistic: 'Maximum',
  Period: periodSeconds,
});

/** What an alarm of each kind is, unless its job says otherwise. */
const kinds: Record<
  AlarmKind | 'undelivered',
  (job: string, periodSeconds?: number) => Record<string, unknown>
> = {
  failed: (job, periodSeconds) => ({
    ...alarm,
    Threshold: 1,
    Metrics: failures(job, periodSeconds),
  }),
  // One night with work left is life: a row in use, a lock. Two in a row need someone.
  partial: (job, periodSeconds) => ({
    ...figure(job, periodSeconds),
    MetricName: 'PartialRunsInRow',
    Threshold: 2,
  }),
  // The dead man's switch. Minimum, so that the first figure after a good run ends it.
  missed: (job, periodSeconds) => ({
    ...figure(job, periodSeconds),
    MetricName: 'SecondsSinceLastSuccess',
    Statistic: 'Minimum',
    Threshold: `\${param:missed-after-${job}}`,
  }),
  // A run that died without a word, until a later one does its work.
  lost: (job, periodSeconds) => ({
    ...figure(job, periodSeconds),
    MetricName: 'LostRunsInRow',
    Threshold: 1,
  }),
  // The event bus did not take the event that lets a run go on, or one that tells of its end. An hour, or the OK a few minutes
  // later would read as mended.
  undelivered: (job, periodSeconds = 3_600) => ({
    ...figure(job, periodSeconds),
    MetricName: 'EventsUndelivered',
    Threshold: 1,
    TreatMissingData: 'notBreaching',
  }),
};

/** All alarms of a job, as resources of CloudFormation by their logical ids. */
export function alarmsOf({ name: job, alarms }: Registration): Record<string, object> {
  const ofRuns = Object.entries(alarms.ofRuns) as [AlarmKind, Alarm][];
  return Object.fromEntries([
    ...ofRuns.map(([kind, { Period, ...given }]) =>
      resourceOf(`${job}-${kind}`, kinds[kind](job, Period), { runbook: kind, ...given }),
    ),
    ...Object.entries(alarms.ofFigures).map(([name, given]) =>
      resourceOf(name, figure(job), { runbook: name, ...given }),
    ),
  ]);
}

function resourceOf(
  name: string,
  usual: object,
  { says, runbook, ...given }: Alarm,
): [logicalId: string, resource: object] {
  const properties = {
    ...usual,
    ...given,
    AlarmName: `\${self:service}-\${sls:stage}-${name}`,
    AlarmDescription: `${says} See docs/runbook.md#${runbook}`,
  };
  return [logicalId(name), { Type: 'AWS::CloudWatch::Alarm', Properties: properties }];
}

/**
 * The run itself says RunFailed, even when it could not reach the ledger, but only once. FailedRunsInRow of the health check
 * lasts until a run does its work, but knows only what is in the ledger. So the greater of both: a sum may have no value
 * where one is missing.
 */
function failures(job: string, periodSeconds = usualPeriodSeconds): object[] {
  const seen = (id: string, name: string) => ({
    Id: id,
    ReturnData: false,
    MetricStat: {
      Metric: { Namespace: namespace, MetricName: name, Dimensions: dimensionsOf(job) },
      Period: periodSeconds,
      Stat: 'Maximum',
    },
  });
  return [
    { Id: 'failed', Expression: 'MAX([run, inRow])', Label: 'Failed runs' },
    seen('run', 'RunFailed'),
    seen('inRow', 'FailedRunsInRow'),
  ];
}

/** `retention-purge-failed` is RetentionPurgeFailed. */
const logicalId = (name: string) =>
  name.replace(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());
