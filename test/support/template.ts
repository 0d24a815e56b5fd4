import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
const sources = ['serverless.yml', 'package.json', 'tsconfig.json', 'functions', 'infra/aws'];

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

/** What a shell that deploys may have exported, and no template may hold. */
export const shellSecrets = {
  SUPABASE_URL: 'https://canary.supabase.co',
  SUPABASE_SECRET_KEY: 'sb_secret_canary',
  NIGHTSHIFT_DATABASE_URL: 'postgres://canary@db.canary.supabase.co/postgres',
  NIGHTSHIFT_HTTP_TOKEN: 'canary-token',
};

/** What would be deployed as prod. */
export const packageTemplate = (...parameters: string[]) => packageStage('prod', ...parameters);

const packaged = new Map<string, Promise<Template>>();

export function packageStage(stage: string, ...parameters: string[]): Promise<Template> {
  const key = [stage, ...parameters].join(' ');
  const template = packaged.get(key) ?? packageOnce(stage, parameters);
  packaged.set(key, template);
  return template;
}

/** From a copy: packaging leaves files beside serverless.yml, where others do the same. */
async function packageOnce(stage: string, parameters: string[]): Promise<Template> {
  const directory = await mkdtemp(join(tmpdir(), 'nightshift-template-'));
  try {
    await Promise.all(
      sources.map((path) => cp(join(root, path), join(directory, path), { recursive: true })),
    );
    await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
    const osls = createRequire(import.meta.url).resolve('osls/bin/serverless.js');
    const options = parameters.flatMap((parameter) => ['--param', parameter]);
    await promisify(execFile)(process.execPath, [osls, 'package', '--stage', stage, ...options], {
      cwd: directory,
      env: { ...process.env, ...shellSecrets },
    });
    const path = join(directory, '.serverless', 'cloudformation-template-update-stack.json');
    return JSON.parse(await readFile(path, 'utf8'));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
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
