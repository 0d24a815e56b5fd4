import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jobNames } from '../../functions/registry.ts';
import { packaged } from './shared.ts';

/** A metric by what tells it from all others. */
export interface MetricId {
  namespace: string;
  name: string;
  dimensions: Record<string, string>;
}

interface MetricProperties {
  Namespace: string;
  MetricName: string;
  Dimensions: { Name: string; Value: string }[];
}

interface MetricQuery {
  Id: string;
  Expression?: string;
  ReturnData?: boolean;
  MetricStat?: { Metric: MetricProperties; Period: number; Stat: string };
}

/** What CloudFormation knows of an alarm. */
export interface Alarm extends Partial<MetricProperties> {
  AlarmName: string;
  AlarmDescription: string;
  AlarmActions: unknown[];
  OKActions: unknown[];
  TreatMissingData: string;
  ComparisonOperator:
    | 'GreaterThanOrEqualToThreshold'
    | 'GreaterThanThreshold'
    | 'LessThanThreshold';
  Threshold: number | string;
  EvaluationPeriods: number;
  DatapointsToAlarm?: number;
  Period?: number;
  Statistic?: string;
  Metrics?: MetricQuery[];
}

export interface Resource {
  Type: string;
  Condition?: string;
  DependsOn?: string | string[];
  // biome-ignore lint/suspicious/noExplicitAny: each type of resource has properties of its own.
  Properties: any;
}

export interface Template {
  Resources: Record<string, Resource>;
  Conditions?: Record<string, unknown>;
  Outputs: Record<string, unknown>;
}

/** What tests package: few variants, because each takes seconds, so each sets what goes together. */
export const withAllSwitches = [
  'alarm-triggers=on',
  'database-capacity-bytes=8000000000',
  'direct=on',
  'status-token=on',
  'webhook=signed',
];
export const withoutExtras = [
  'alarms=off',
  'dashboard=off',
  'schedules=off',
  'reserved-concurrency=off',
];
/** Every other job, and the others: so each is left out once, beside one that is there. */
export const halves = [0, 1].map((half) => jobNames.filter((_, n) => n % 2 === half));
export const withoutJobs = (half: string[]) => [
  ...half.map((job) => `${job}=off`),
  ...withAllSwitches,
  ...tuned,
];
const tuned = [
  'schedule-retention-purge=cron(0 4 ? * 1 *)',
  'schedule-view-refresh=cron(30 4 * * ? *)',
  'schedule-table-vacuum=cron(45 4 * * ? *)',
  'schedule-timezone=Europe/Berlin',
  'http-rate=1',
  'log-retention-days=14',
  'key=runner',
  'secret-version=5e3b0c1a-0000-4000-8000-000000000001',
];

/** What would be deployed as prod. */
export const packageTemplate = (...parameters: string[]) => packageStage('prod', ...parameters);

/** With each job, also with the one that waits for a direct connection. */
export async function packageStage(stage: string, ...parameters: string[]): Promise<Template> {
  const folder = await packaged(stage, 'table-vacuum=on', ...parameters);
  return JSON.parse(
    await readFile(join(folder, 'cloudformation-template-update-stack.json'), 'utf8'),
  );
}

export function resourcesOf({ Resources }: Template, type: string): Resource[] {
  return Object.values(Resources).filter(({ Type }) => Type === type);
}

export const alarmsOf = (template: Template): Alarm[] =>
  resourcesOf(template, 'AWS::CloudWatch::Alarm').map(({ Properties }) => Properties);

/** What an alarm looks at, each with its period and statistic. */
export function seriesOf(alarm: Alarm): (MetricId & { period: number; statistic: string })[] {
  const { Namespace, MetricName, Dimensions, Period, Statistic, Metrics = [] } = alarm;
  const stats = Metrics.flatMap(({ MetricStat }) => MetricStat ?? []);
  const own = { Namespace, MetricName, Dimensions } as MetricProperties;
  if (Metrics.length === 0) stats.push({ Metric: own, Period: Period ?? 0, Stat: Statistic ?? '' });
  return stats.map(({ Metric, Period, Stat }) => ({
    namespace: Metric.Namespace,
    name: Metric.MetricName,
    dimensions: Object.fromEntries(Metric.Dimensions.map(({ Name, Value }) => [Name, Value])),
    period: Period,
    statistic: Stat,
  }));
}

export interface Widget {
  type: string;
  width: number;
  height: number;
  properties: { title: string; region: string; metrics: unknown[][] };
}

export function widgetsOf(template: Template): Widget[] {
  return resourcesOf(template, 'AWS::CloudWatch::Dashboard').flatMap(
    ({ Properties }) => JSON.parse(Properties.DashboardBody).widgets,
  );
}

/** The metrics of a widget, its abbreviations written out: '.' is the field above it, '...' all of those that are left out. */
export function metricsOf({ properties: { metrics } }: Widget): MetricId[] {
  let above: string[] = [];
  return metrics.map((row) => {
    const given = row.filter((field) => typeof field === 'string');
    const rest = given[0] === '...' ? given.slice(1) : given;
    const kept = given[0] === '...' ? above.slice(0, above.length - rest.length) : [];
    const fields = [...kept, ...rest].map((field, n) => (field === '.' ? (above[n] ?? '') : field));
    above = fields;
    const [namespace = '', name = '', ...pairs] = fields;
    const dimensions: Record<string, string> = {};
    for (let n = 0; n < pairs.length; n += 2) dimensions[pairs[n] ?? ''] = pairs[n + 1] ?? '';
    return { namespace, name, dimensions };
  });
}
