import type { Registration, Widget } from '../../functions/registration.ts';

const namespace = '${self:custom.metricsNamespace}';
const hourSeconds = 3600;

/** CloudWatch's grid. */
const columns = 24;

/** Where a graph is in its row is up to the row; its metrics may be of any namespace. */
type Graph = Omit<Widget, 'metrics'> & { metrics: unknown[][]; height?: number };

/**
 * What the night shift did and what it looks after, in the order of a night: the runs, all jobs together, a row for each, and
 * how long it takes. Counts are sums here: that a log line may be delivered twice is no matter to the eye.
 */
export function dashboardOf(jobs: readonly Registration[]) {
  const parts = (part: 'overview' | 'durations') =>
    jobs.flatMap((job) => (job.dashboard[part] ?? []).map((widget) => graphOf(job, widget)));
  const [silence, troubles, duration] = ofAll(jobs);
  const rows = [
    jobs.map(runsOf),
    [silence, ...parts('overview'), troubles],
    ...jobs.map((job) => job.dashboard.row.map((widget) => graphOf(job, widget))),
    [...parts('durations'), duration],
  ];
  const body = { periodOverride: 'inherit', widgets: rows.flatMap(layOut) };
  return {
    Type: 'AWS::CloudWatch::Dashboard',
    Properties: {
      DashboardName: '${self:service}-${sls:stage}',
      // CloudWatch takes it as text.
      DashboardBody: JSON.stringify(body),
    },
  };
}

/** Each as wide as the next, but for what is left over. */
function layOut(graphs: Graph[]): object[] {
  const width = Math.floor(columns / graphs.length);
  const wider = columns % graphs.length;
  return graphs.map(({ height = 6, ...properties }, n) => ({
    type: 'metric',
    width: n < wider ? width + 1 : width,
    height,
    properties: { region: '${self:provider.region}', view: 'timeSeries', ...properties },
  }));
}

function graphOf({ name }: Registration, { metrics, ...widget }: Widget): Graph {
  return {
    ...widget,
    metrics: metrics.map(([metric, look]) => [namespace, metric, 'service', name, look]),
  };
}

function runsOf(job: Registration): Graph {
  const graph = graphOf(job, {
    title: `${job.dashboard.title}: runs`,
    stacked: true,
    stat: 'Sum',
    period: hourSeconds,
    metrics: [
      ['RunSucceeded', { color: '#2ca02c', label: 'succeeded' }],
      ['RunPartial', { color: '#ff7f0e', label: 'partial' }],
      ['RunFailed', { color: '#d62728', label: 'failed' }],
      ['RunLost', { color: '#7f7f7f', label: 'lost' }],
    ],
  });
  return { ...graph, height: 5 };
}

/** One line a job. */
function ofAll(jobs: readonly Registration[]): [silence: Graph, troubles: Graph, duration: Graph] {
  const labelOf = ({ dashboard }: Registration) => dashboard.title.toLowerCase();
  const lines = (metric: string) =>
    jobs.map((job) => [namespace, metric, 'service', job.name, { label: labelOf(job) }]);
  const linesOfLambda = (metric: string, suffix = '') =>
    jobs.map((job) => [
      'AWS/Lambda',
      metric,
      'FunctionName',
      `\${self:service}-\${sls:stage}-${job.name}`,
      { label: labelOf(job) + suffix },
    ]);
  return [
    {
      title: 'Seconds since the last success',
      stat: 'Maximum',
      period: 300,
      metrics: lines('SecondsSinceLastSuccess'),
    },
    {
      title: 'Functions: errors and throttles',
      stat: 'Sum',
      period: hourSeconds,
      metrics: [...linesOfLambda('Errors'), ...linesOfLambda('Throttles', ' throttled')],
    },
    {
      title: 'Duration of a run',
      stat: 'Maximum',
      period: hourSeconds,
      metrics: linesOfLambda('Duration'),
      yAxis: { left: { min: 0 } },
    },
  ];
}
