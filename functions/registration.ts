import type { Presenter } from '../cli/present/presenter.ts';
import type { Job } from './_shared/job.ts';
import type { MetricName } from './_shared/metrics.ts';

/** Everything about a job except its work: how it is deployed, watched and shown. */
export interface Registration {
  /** The name in the URL, the ledger and the metrics, of its folder, and of the parameter that switches it on and off. */
  name: string;
  /** One sentence for people. */
  purpose: string;
  load(): Promise<{ job: Job<{ dryRun: boolean }, unknown> }>;
  loadPresenter(): Promise<{ presenter: Presenter }>;
  /** The parameters of its deployment with their defaults; docs/deploy.md explains them. */
  parameters: Record<string, string>;
  schedules: readonly Schedule[];
  alarms: JobAlarms;
  dashboard: DashboardPart;
}

interface Schedule {
  /** The parameter that holds the cron or rate expression of EventBridge Scheduler. */
  parameter: string;
  /** The input of the runs that it starts, {} by default. */
  input?: object;
}

/** Why an alarm rings, and how it differs from others of its kind (see infra/aws/alarms.ts). */
export interface Alarm extends Partial<AlarmProperties> {
  says: string;
  /** Its heading in docs/runbook.md; the name of the alarm by default. */
  runbook?: string;
}

/** Properties as CloudFormation names them. The values may refer to parameters of osls. */
interface AlarmProperties {
  MetricName: MetricName;
  Statistic: 'Maximum' | 'Minimum';
  /** Seconds. */
  Period: number;
  EvaluationPeriods: number;
  DatapointsToAlarm: number;
  ComparisonOperator:
    | 'GreaterThanOrEqualToThreshold'
    | 'GreaterThanThreshold'
    | 'LessThanThreshold';
  Threshold: number | string;
  TreatMissingData: 'ignore' | 'notBreaching' | 'breaching';
}

/** Every job has an alarm on each of these. */
export type AlarmKind = 'failed' | 'partial' | 'missed' | 'lost';

interface JobAlarms {
  ofRuns: Record<AlarmKind, Alarm> & {
    /** For jobs whose runs may have to be continued. */
    undelivered?: Alarm;
  };
  /** Alarms on the job's own metrics, by name. */
  ofFigures: Record<string, Alarm & Pick<AlarmProperties, 'MetricName' | 'Threshold'>>;
}

/** What the dashboard shows about a job besides its runs. */
interface DashboardPart {
  /** The name of the job in titles, and in lower case in legends. */
  title: string;
  /** The job's own row. */
  row: readonly Widget[];
  /** Widgets for the shared row on the present state. */
  overview?: readonly Widget[];
  /** Widgets for the shared row on durations. */
  durations?: readonly Widget[];
}

/** A graph, with properties as CloudWatch names them. */
export interface Widget {
  title: string;
  stacked?: boolean;
  /** The statistic of all metrics that do not have their own. */
  stat?: string;
  /** Seconds. */
  period: number;
  metrics: readonly (readonly [MetricName, { label: string } & Record<string, string>])[];
  yAxis?: object;
}
