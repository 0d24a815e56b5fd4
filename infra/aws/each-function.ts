import { systemClock } from '../../functions/_shared/clock.ts';
import { jobNames, registry } from '../../functions/registry.ts';
import { boundRoles, type RoleSettings } from './bound-roles.ts';
import { refusedNames } from './names.ts';
import {
  account,
  arnOf,
  deadLetters,
  type Resource,
  roleOfFunction,
  roleOfScheduler,
} from './roles.ts';
import { oddOrder, refusedTimes } from './times.ts';

interface ScheduleDefinition {
  rate: string[];
  timezone: string;
  enabled: boolean;
}

interface FunctionDefinition {
  name: string;
  environment?: Record<string, unknown>;
  events: { schedule?: ScheduleDefinition }[];
  role?: unknown;
  destinations?: unknown;
  maximumRetryAttempts?: number;
  maximumEventAge?: number;
}

/** As much of osls as is needed here. */
interface Serverless {
  service: {
    service: string;
    functions: Record<string, FunctionDefinition>;
    resources: { Resources?: Record<string, Resource> };
    custom: { secretVersion: string };
    provider: {
      compiledCloudFormationTemplate: { Resources: Record<string, Resource> };
      environment: Record<string, unknown>;
      logRetentionInDays: number;
    } & RoleSettings;
  };
  configurationInput: { params: Record<string, Record<string, unknown> | undefined> };
  processedInput: { options: { param?: string[] } };
  classes: { Error: new (message: string, code: string) => Error };
  getProvider(name: 'aws'): {
    getStage(): string;
    naming: {
      getLambdaLogicalId(name: string): string;
      getLogGroupLogicalId(name: string): string;
      getLogGroupName(functionName: string): string;
    };
  };
}

/** What osls hands to a plugin besides. */
interface Utilities {
  log: { warning(text: string): void };
}

/** Three attempts of a quarter of an hour and the pauses between them; what is older meets the day, or the next run. */
const maximumEventAgeSeconds = 3_600;

/**
 * A plugin of osls: what every function gets beside what its function.yml says, so that none can go without. A role of its
 * own, an end for what fails for good, and the leave to be called by alarms. Their schedules get what osls has no words for.
 */
export default class EachFunction {
  readonly hooks: Record<string, () => void>;
  readonly #serverless: Serverless;

  readonly #warn: (text: string) => void;

  constructor(serverless: Serverless, _options: unknown, { log }: Utilities) {
    this.#serverless = serverless;
    this.#warn = (text) => log.warning(text);
    this.hooks = {
      initialize: () => this.#refuseUnknownParameters(),
      'before:package:initialize': () => {
        this.#refuseWhatFailsLater();
        this.#nameSecretVersion();
        this.#complete();
      },
      'after:aws:package:finalize:mergeCustomProviderResources': () => this.#addResources(),
    };
  }

  /** A misspelt one would leave the default in place without a word: alarms that nobody gets, for example. */
  #refuseUnknownParameters(): void {
    const { configurationInput, processedInput, classes } = this.#serverless;
    const { default: known = {}, ...ofStages } = configurationInput.params;
    const given = [
      ...(processedInput.options.param ?? []).map((text) => text.split('=')[0] ?? ''),
      ...Object.values(ofStages).flatMap((stage) => Object.keys(stage ?? {})),
    ];
    const unknown = given.filter((name) => !Object.hasOwn(known, name));
    if (unknown.length === 0) return;
    throw new classes.Error(
      `No such parameter: ${unknown.join(', ')}. There are: ${Object.keys(known).join(', ')}`,
      'NIGHTSHIFT_UNKNOWN_PARAMETER',
    );
  }

  /** What AWS would refuse in the middle of a deployment, or leave out one night, is better known before it. */
  #refuseWhatFailsLater(): void {
    const { service, classes, getProvider } = this.#serverless;
    const functions = Object.values(service.functions).map(({ name }) => ({
      Type: 'AWS::Lambda::Function',
      Properties: { FunctionName: name },
    }));
    const resources = [...functions, ...Object.values(service.resources.Resources ?? {})];
    const stage = getProvider.call(this.#serverless, 'aws').getStage();
    const schedules = Object.entries(service.functions).flatMap(([job, { events }]) => {
      // In the order in which each-job.ts made them.
      const parameters = registry.find(({ name }) => name === job)?.schedules ?? [];
      return events
        .flatMap(({ schedule }) => schedule ?? [])
        .flatMap(({ rate: [expression = ''], timezone, enabled }, n) =>
          enabled ? [{ job, expression, timezone, parameter: parameters[n]?.parameter ?? '' }] : [],
        );
    });
    const refused = [...refusedNames(resources, stage), ...refusedTimes(schedules, systemClock)];
    if (refused.length > 0) {
      throw new classes.Error(`${refused.join('.\n')}.`, 'NIGHTSHIFT_REFUSED_BY_AWS');
    }
    for (const text of oddOrder(schedules, systemClock)) this.#warn(`${text}.`);
  }

  /**
   * CloudFormation contradicts itself on when it resolves a reference to a secret again. One that names the version is
   * another one after each change, and so is resolved in any case.
   */
  #nameSecretVersion(): void {
    const { custom, provider, functions } = this.#serverless.service;
    if (custom.secretVersion === '') return;
    const environments = [
      provider.environment,
      ...Object.values(functions).map(({ environment }) => environment),
    ];
    for (const environment of environments) {
      for (const [name, value] of Object.entries(environment ?? {})) {
        const reference = /^(\{\{resolve:secretsmanager:.*)\}\}$/.exec(String(value))?.[1];
        if (environment && reference) {
          environment[name] = `${reference}::${custom.secretVersion}}}`;
        }
      }
    }
  }

  /** The log of a function that was switched off stays, and it is its own again when it is switched on. */
  #keepLogs(resources: Record<string, Resource>): void {
    const { naming, getStage } = this.#serverless.getProvider('aws');
    const { service, provider } = this.#serverless.service;
    const stage = getStage.call(this.#serverless.getProvider('aws'));
    for (const job of jobNames) {
      resources[naming.getLogGroupLogicalId(job)] ??= {
        Type: 'AWS::Logs::LogGroup',
        Properties: {
          LogGroupName: naming.getLogGroupName(`${service}-${stage}-${job}`),
          RetentionInDays: Number(provider.logRetentionInDays),
        },
      };
    }
  }

  get #functions() {
    const { naming } = this.#serverless.getProvider('aws');
    return Object.entries(this.#serverless.service.functions).map(([name, definition]) => {
      const logicalId = naming.getLambdaLogicalId(name);
      const logGroupId = naming.getLogGroupLogicalId(name);
      return { name, definition, logicalId, logGroupId, roleId: `${logicalId}Role` };
    });
  }

  #complete(): void {
    for (const { definition, roleId } of this.#functions) {
      definition.role = arnOf(roleId);
      definition.destinations = { onFailure: { type: 'sqs', arn: deadLetters } };
      // Safe, because a run is known by the key of its event: a second attempt of one that ended does nothing.
      definition.maximumRetryAttempts = 2;
      definition.maximumEventAge ??= maximumEventAgeSeconds;
    }
  }

  #addResources(): void {
    const { Resources } = this.#serverless.service.provider.compiledCloudFormationTemplate;
    for (const { logicalId, logGroupId, roleId } of this.#functions) {
      Resources[roleId] = roleOfFunction(logGroupId);
      Resources[`${logicalId}AlarmPermission`] = this.#alarmPermission(logicalId);
    }
    const functionIds = this.#functions.map(({ logicalId }) => logicalId);
    Resources.SchedulerRole = roleOfScheduler(functionIds);
    for (const { Type, Properties } of Object.values(Resources)) {
      if (Type === 'AWS::Scheduler::Schedule') {
        Properties.GroupName = { Ref: 'ScheduleGroup' };
        Properties.Target.RoleArn = arnOf('SchedulerRole');
        this.#limitDelivery(Properties.Target);
      }
      if (Type === 'AWS::Events::Rule') {
        for (const target of Properties.Targets) this.#limitDelivery(target);
      }
    }
    this.#keepLogs(Resources);
    boundRoles(Resources, this.#serverless.service.provider);
    this.#leaveOutAlarmsOfAbsent(Resources);
  }

  /** As long as the function itself would keep the event, and then to the dead letters. */
  // biome-ignore lint/suspicious/noExplicitAny: of a schedule or of a rule.
  #limitDelivery(target: any): void {
    const [logicalId] = target.Arn['Fn::GetAtt'] ?? [];
    const found = this.#functions.find((each) => each.logicalId === logicalId);
    if (!found) return;
    target.RetryPolicy = { MaximumEventAgeInSeconds: found.definition.maximumEventAge };
    target.DeadLetterConfig = { Arn: deadLetters };
  }

  /** Only alarms of this account that are named like ours: whoever may name one so may start a job. */
  #alarmPermission(logicalId: string): Resource {
    const { service } = this.#serverless.service;
    const alarms = `${service}-${this.#serverless.getProvider('aws').getStage()}-*`;
    return {
      Type: 'AWS::Lambda::Permission',
      Properties: {
        Action: 'lambda:InvokeFunction',
        FunctionName: arnOf(logicalId),
        Principal: 'lambda.alarms.cloudwatch.amazonaws.com',
        SourceAccount: account,
        SourceArn: {
          'Fn::Sub': `arn:\${AWS::Partition}:cloudwatch:\${AWS::Region}:\${AWS::AccountId}:alarm:${alarms}`,
        },
      },
    };
  }

  /** An alarm of a job that is not deployed would ring for ever, or start what is not there. */
  #leaveOutAlarmsOfAbsent(resources: Record<string, Resource>): void {
    const jobs = this.#functions.map(({ name }) => name);
    for (const [id, { Type, Properties }] of Object.entries(resources)) {
      if (Type !== 'AWS::CloudWatch::Alarm') continue;
      const text = JSON.stringify(Properties);
      const watched = [...text.matchAll(/"Name":"service","Value":"([^"]+)"/g)];
      const started = [...text.matchAll(/"Fn::GetAtt":\["([^"]+)"/g)];
      const isWhole =
        watched.every(([, job = '']) => jobs.includes(job)) &&
        started.every(([, logicalId = '']) => logicalId in resources);
      if (!isWhole) delete resources[id];
    }
  }
}
