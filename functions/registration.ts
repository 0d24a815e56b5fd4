import type { Presenter } from '../cli/present/presenter.ts';
import type { Job } from './_shared/job.ts';
import type { MetricName } from './_shared/metrics.ts';

/** What is to be known of a job beside what it does: how it is deployed, watched and shown. */
export interface Registration {
  /** As in the URL, the ledger and the metrics. Its folder, and the parameter that switches it on and off, have the same name. */
  name: string;
  /** One sentence, in words, for people. */
  purpose: string;
  load(): Promise<{ job: Job<{ dryRun: boolean }, unknown> }>;
  /** How the command line shows it. */
  loadPresenter(): Promise<{ presenter: Presenter }>;
  /** Of its deployment, each with its default: `--param name=value`. docs/deploy.md says what for. */
  parameters: Record<string, string>;
  schedules: readonly Schedule[];
  alarms: JobAlarms;
  dashboard: DashboardPart;
}

interface Schedule {
  /** Which of the parameters says when: a cron or a rate of EventBridge Scheduler. */
  parameter: string;
  /** What a run by this schedule is told; nothing by default. */
  input?: object;
}

/** An alarm: why it rings, and where it differs from the others of its kind (infra/aws/alarms.ts). */
export interface Alarm extends Partial<AlarmProperties> {
  says: string;
  /** Its heading in docs/runbook.md, unless it has the name of the alarm. */
  runbook?: string;
}

/** In the words of CloudFormation. Parameters may be in them, as osls writes them. */
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

/** What every job has an alarm on. */
export type AlarmKind = 'failed' | 'partial' | 'missed' | 'lost';

interface JobAlarms {
  ofRuns: Record<AlarmKind, Alarm> & {
    /** Where a run may have to be continued. */
    undelivered?: Alarm;
  };
  /** On its own figures, by the name of the alarm. */
  ofFigures: Record<string, Alarm & Pick<AlarmProperties, 'MetricName' | 'Threshold'>>;
}

/** What the dashboard shows of a job beside its runs. */
interface DashboardPart {
  /** Of the job, in titles and, in small letters, in legends. */
  title: string;
  /** A row of its own. */
  row: readonly Widget[];
  /** Beside what is shown of all jobs together: how all is now, and how long things take. */
  overview?: readonly Widget[];
  durations?: readonly Widget[];
}

/** A graph, in the words of CloudWatch. */
export interface Widget {
  title: string;
  stacked?: boolean;
  /** Of all its metrics, unless they have their own. */
  stat?: string;
  /** Seconds. */
  period: number;
  metrics: readonly (readonly [MetricName, { label: string } & Record<string, string>])[];
  yAxis?: object;
}
