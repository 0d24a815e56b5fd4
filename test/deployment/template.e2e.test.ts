import { beforeAll, describe, expect, it } from 'vitest';
import { readSettings } from '../../functions/_shared/settings.ts';
import { jobNames } from '../../functions/registry.ts';
import { problemsOf, statementsOf } from '../support/cloudformation.ts';
import { readPage } from '../support/documents.ts';
import { shellSecrets } from '../support/packaging.ts';
import {
  alarmsOf,
  halves,
  packageStage,
  packageTemplate,
  type Resource,
  resourcesOf,
  type Template,
  withAllSwitches,
  withoutExtras,
  withoutJobs,
} from '../support/template.ts';

const jobs = jobNames;
const deadLetters = { 'Fn::GetAtt': ['DeadLetters', 'Arn'] };
const arnOf = (id: string) => ({ 'Fn::GetAtt': [id, 'Arn'] });

const access = { SUPABASE_URL: 'https://abcd.supabase.co', SUPABASE_SECRET_KEY: 'sb_secret_x' };

const functionsOf = (template: Template) =>
  Object.entries(template.Resources).filter(([, { Type }]) => Type === 'AWS::Lambda::Function');

/** What makes most names is packaged for another stage, to be compared. */
const packageStaging = () => packageStage('staging', ...withAllSwitches);

const variants: [string, string[], stage?: string][] = [
  ['as it comes', []],
  ['with all that can be switched on', withAllSwitches, 'staging'],
  ['without alarms, dashboard, schedules and reserved concurrency', withoutExtras],
  // These have other schedules, limits and key as well, each of which is about every job.
  ...halves.map((half): [string, string[]] => [`without ${half.join(' and ')}`, withoutJobs(half)]),
];

describe.each(variants)('the template %s', (_, parameters, stage = 'prod') => {
  let template: Template;
  beforeAll(async () => {
    template = await packageStage(stage, ...parameters);
  });

  it('has nothing that CloudFormation does not know, and no reference without an end', () => {
    expect(problemsOf(template)).toEqual([]);
  });

  it('allows no action by a wildcard, and none on everything', () => {
    const allowed = statementsOf(template).filter(({ effect }) => effect === 'Allow');
    expect(allowed.length).toBeGreaterThan(0);
    for (const { actions, resources } of allowed) {
      for (const action of actions) expect(action).toMatch(/^[a-z]+:[A-Za-z]+$/);
      expect(resources).not.toContain('*');
    }
  });

  it('keeps the log of every job, also of one that is switched off', () => {
    const names = resourcesOf(template, 'AWS::Logs::LogGroup').map(
      ({ Properties }) => Properties.LogGroupName,
    );
    expect(names.sort()).toEqual(
      jobs.map((job) => `/aws/lambda/nightshift-${stage}-${job}`).sort(),
    );
  });

  it('keeps no version of a function', () => {
    expect(resourcesOf(template, 'AWS::Lambda::Version')).toEqual([]);
  });

  it('needs no service that the policy in docs/deploy.md leaves out', () => {
    const policy = /```json\n([\s\S]*?)```/.exec(
      readPage('docs/deploy.md').split('## What a deploying role needs')[1] ?? '',
    )?.[1];
    const { Statement } = JSON.parse(policy ?? '') as { Statement: { Action: string[] }[] };
    const allowed = new Set(
      Statement.flatMap(({ Action }) => Action.map((action) => action.split(':')[0] ?? '')),
    );
    const services = Object.values(template.Resources).map(
      ({ Type }) => Type.split('::')[1]?.toLowerCase().replace('apigatewayv2', 'apigateway') ?? '',
    );
    expect(services.filter((service) => !allowed.has(service))).toEqual([]);
  });

  it('tells the status page of its schedules', () => {
    const health = functionsOf(template).find(([id]) => id.startsWith('HealthDashcheck'))?.[1];
    expect(health !== undefined).toBe(!parameters.includes('health-check=off'));
    const text = health?.Properties.Environment.Variables.NIGHTSHIFT_SCHEDULES;
    const inTemplate = resourcesOf(template, 'AWS::Scheduler::Schedule')
      .filter(({ Properties }) => Properties.State === 'ENABLED')
      .map(({ Properties }) => [
        Properties.ScheduleExpression,
        Properties.ScheduleExpressionTimezone,
      ]);
    const { schedules } = readSettings({
      ...access,
      ...(text ? { NIGHTSHIFT_SCHEDULES: text } : {}),
    });
    const told = schedules.map(({ expression, timezone }) => [expression, timezone]);
    expect(told.sort()).toEqual(health ? inTemplate.sort() : []);
  });

  it('holds references to secrets and no secret', () => {
    const text = JSON.stringify(template);
    for (const secret of Object.values(shellSecrets)) expect(text).not.toContain(secret);
    expect(text).not.toMatch(/sb_secret_|sb_publishable_|postgres(ql)?:\/\/|eyJ[\w-]{10}/);
    for (const [, { Properties }] of functionsOf(template)) {
      const variables = Object.entries<unknown>(Properties.Environment.Variables);
      const secret = variables.filter(([name]) => /URL|KEY|TOKEN|SECRET|JWT|PASS/.test(name));
      expect(secret.length).toBeGreaterThan(2);
      for (const [name, value] of secret) {
        if (value === '') continue;
        expect(value, name).toMatch(/^\{\{resolve:secretsmanager:.+\}\}$/);
        expect(value, name).toContain(`:nightshift/${stage}:`);
      }
    }
  });
});

describe('each function', () => {
  let template: Template;
  let byJob: Record<string, { id: string; Properties: Resource['Properties'] }>;
  beforeAll(async () => {
    template = await packageTemplate();
    byJob = Object.fromEntries(
      functionsOf(template).map(([id, { Properties }]) => [
        Properties.FunctionName.replace('nightshift-prod-', ''),
        { id, Properties },
      ]),
    );
  });
  const functionOf = (job: string) => {
    const found = byJob[job];
    if (!found) throw new Error(`There is no function ${job}`);
    return found;
  };

  it('is a job', () => {
    expect(Object.keys(byJob).sort()).toEqual([...jobs].sort());
  });

  it.each(jobs)('of them, %s has a role of its own that may do no more than it does', (job) => {
    const { Role } = functionOf(job).Properties;
    const others = jobs.filter((other) => other !== job).map((other) => functionOf(other));
    expect(others.map(({ Properties }) => Properties.Role)).not.toContainEqual(Role);

    const role = template.Resources[Role['Fn::GetAtt'][0]]?.Properties;
    const [trust] = role.AssumeRolePolicyDocument.Statement;
    expect(trust.Principal).toEqual({ Service: 'lambda.amazonaws.com' });
    const [logGroupId] = Object.entries(template.Resources).find(
      ([, { Properties }]) => Properties.LogGroupName === `/aws/lambda/nightshift-prod-${job}`,
    ) ?? [''];
    expect(role.Policies[0].PolicyDocument.Statement).toEqual([
      {
        Effect: 'Allow',
        Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        Resource: arnOf(logGroupId),
      },
      { Effect: 'Allow', Action: ['events:PutEvents'], Resource: arnOf('EventBus') },
      { Effect: 'Allow', Action: ['sqs:SendMessage'], Resource: deadLetters },
    ]);
    expect(role.ManagedPolicyArns).toBeUndefined();
    expect(role.Policies).toHaveLength(1);
  });

  it.each(jobs)('of them, %s has a schedule, and what cannot be delivered is kept', (job) => {
    const { id } = functionOf(job);
    const schedules = resourcesOf(template, 'AWS::Scheduler::Schedule')
      .map(({ Properties }) => Properties)
      .filter(({ Target }) => Target.Arn['Fn::GetAtt'][0] === id);
    expect(schedules.length).toBeGreaterThan(0);
    const rules = resourcesOf(template, 'AWS::Events::Rule')
      .flatMap(({ Properties }) => Properties.Targets)
      .filter(({ Arn }) => Arn['Fn::GetAtt'][0] === id);
    for (const { State, ScheduleExpressionTimezone, Target } of schedules) {
      expect(State).toBe('ENABLED');
      expect(ScheduleExpressionTimezone).toBe('UTC');
      expect(Target.RoleArn).toEqual(arnOf('SchedulerRole'));
    }
    for (const target of [...schedules.map(({ Target }) => Target), ...rules]) {
      expect(target.DeadLetterConfig).toEqual({ Arn: deadLetters });
      expect(target.RetryPolicy.MaximumEventAgeInSeconds).toBeGreaterThanOrEqual(300);
    }
  });

  it.each(jobs)('of them, %s ends in the dead letters when it fails each time', (job) => {
    const { id, Properties } = functionOf(job);
    const config = resourcesOf(template, 'AWS::Lambda::EventInvokeConfig')
      .map(({ Properties }) => Properties)
      .find(({ FunctionName }) => FunctionName.Ref === id);
    expect(config.DestinationConfig.OnFailure.Destination).toEqual(deadLetters);
    expect(config.MaximumRetryAttempts).toBe(2);
    expect(config.MaximumEventAgeInSeconds).toBeGreaterThan(Properties.Timeout * 3);
  });

  it.each(jobs)('of them, %s has an alarm that rings when it is silent', (job) => {
    const names = alarmsOf(template).map(({ AlarmName }) => AlarmName);
    expect(names).toContain(`nightshift-prod-${job}-missed`);
  });

  it.each(jobs)('of them, %s may be started by alarms of this account and stage', (job) => {
    const permissions = resourcesOf(template, 'AWS::Lambda::Permission')
      .map(({ Properties }) => Properties)
      .filter(({ Principal }) => Principal === 'lambda.alarms.cloudwatch.amazonaws.com')
      .filter(({ FunctionName }) => FunctionName['Fn::GetAtt'][0] === functionOf(job).id);
    expect(permissions).toMatchObject([
      {
        Action: 'lambda:InvokeFunction',
        SourceAccount: { Ref: 'AWS::AccountId' },
        SourceArn: { 'Fn::Sub': expect.stringMatching(/:alarm:nightshift-prod-\*$/) },
      },
    ]);
  });

  // osls deploy function would write the references to secrets as they stand, unless something in the environment is an object.
  it.each(jobs)('of them, %s can have its code deployed alone', (job) => {
    const { NIGHTSHIFT_EVENT_BUS } = functionOf(job).Properties.Environment.Variables;
    expect(NIGHTSHIFT_EVENT_BUS).toEqual({ Ref: 'EventBus' });
  });

  it.each(jobs)('of them, %s keeps its log for a month and runs a few times at once', (job) => {
    const { ReservedConcurrentExecutions, Runtime, Architectures } = functionOf(job).Properties;
    const [condition, count] = ReservedConcurrentExecutions['Fn::If'];
    expect(template.Conditions?.[condition]).toEqual({ 'Fn::Equals': ['on', 'on'] });
    expect(count).toBeGreaterThan(1);
    expect({ Runtime, Architectures }).toEqual({ Runtime: 'nodejs24.x', Architectures: ['arm64'] });
    const log = resourcesOf(template, 'AWS::Logs::LogGroup').find(({ Properties }) =>
      Properties.LogGroupName.endsWith(`-${job}`),
    );
    expect(Number(log?.Properties.RetentionInDays)).toBe(30);
  });

  it('may be called by nobody else but the API and the rules of the bus', () => {
    for (const { Properties } of resourcesOf(template, 'AWS::Lambda::Permission')) {
      expect(Properties.Principal).toMatch(
        /^(apigateway|events|lambda\.alarms\.cloudwatch)\.amazonaws\.com$/,
      );
      expect(Properties.SourceArn).toBeDefined();
    }
  });

  it('is called by the scheduler in a role that no other schedule can take', () => {
    const { AssumeRolePolicyDocument, Policies } =
      template.Resources.SchedulerRole?.Properties ?? {};
    const [trust] = AssumeRolePolicyDocument.Statement;
    expect(trust.Principal).toEqual({ Service: 'scheduler.amazonaws.com' });
    expect(trust.Condition.ArnEquals).toEqual({ 'aws:SourceArn': arnOf('ScheduleGroup') });
    const [invoke] = Policies[0].PolicyDocument.Statement;
    expect(invoke.Resource).toEqual(
      expect.arrayContaining(jobs.map((j) => arnOf(byJob[j]?.id ?? ''))),
    );
    expect(invoke.Resource).toHaveLength(jobs.length);
    for (const { Properties } of resourcesOf(template, 'AWS::Scheduler::Schedule')) {
      expect(Properties.GroupName).toEqual({ Ref: 'ScheduleGroup' });
    }
  });

  it('is behind a throttle on HTTP', () => {
    const [stage] = resourcesOf(template, 'AWS::ApiGatewayV2::Stage');
    const { ThrottlingBurstLimit, ThrottlingRateLimit } =
      stage?.Properties.DefaultRouteSettings ?? {};
    expect(Number(ThrottlingBurstLimit)).toBe(10);
    expect(Number(ThrottlingRateLimit)).toBe(5);
  });
});

describe('the dead letters', () => {
  it('are encrypted, kept for a fortnight, and told of', async () => {
    const template = await packageTemplate();
    const { QueueName, ...properties } = template.Resources.DeadLetters?.Properties ?? {};
    expect(properties).toEqual({ MessageRetentionPeriod: 14 * 86_400, SqsManagedSseEnabled: true });
    const alarm = alarmsOf(template).find(({ Namespace }) => Namespace === 'AWS/SQS');
    expect(alarm?.Dimensions).toEqual([{ Name: 'QueueName', Value: QueueName }]);
  });
});

describe('a switch', () => {
  it.each(jobs)('that leaves out %s leaves out all that is its own but its log', async (job) => {
    const left = halves.find((half) => half.includes(job)) ?? [];
    const { Resources } = await packageTemplate(...withoutJobs(left));
    const { Dashboard, ...rest } = Resources;
    const others = Object.values(rest).filter(({ Type }) => Type !== 'AWS::Logs::LogGroup');
    expect(JSON.stringify(others)).not.toMatch(new RegExp(`-${job}|"${job}"`));
    expect(functionsOf({ Resources, Outputs: {} })).toHaveLength(jobs.length - left.length);
  });

  it('stops all schedules', async () => {
    const template = await packageTemplate(...withoutExtras);
    const states = resourcesOf(template, 'AWS::Scheduler::Schedule').map(
      ({ Properties }) => Properties.State,
    );
    expect(states.length).toBeGreaterThan(jobs.length);
    expect(new Set(states)).toEqual(new Set(['DISABLED']));
  });

  it('reserves no concurrency', async () => {
    const { Conditions } = await packageTemplate(...withoutExtras);
    expect(Conditions?.ReservedConcurrency).toEqual({ 'Fn::Equals': ['off', 'on'] });
  });
});

describe('a parameter', () => {
  it('moves schedules, throttle and log', async () => {
    const others = halves.find((half) => !half.includes('retention-purge')) ?? [];
    const template = await packageTemplate(...withoutJobs(others));
    const text = JSON.stringify(template);
    expect(problemsOf(template)).toEqual([]);
    expect(template.Resources.RetentionDashpurgeSchedulerSchedule1?.Properties).toMatchObject({
      ScheduleExpression: 'cron(0 4 ? * 1 *)',
      ScheduleExpressionTimezone: 'Europe/Berlin',
    });
    expect(text).not.toContain('"UTC"');
    expect(text).toMatch(/"ThrottlingRateLimit":"?1"?/);
    expect(text).toMatch(/"RetentionInDays":14/);
    const references = text.match(/\{\{resolve:secretsmanager:[^}]+\}\}/g) ?? [];
    expect(references.length).toBeGreaterThan(10);
    expect(references.filter((each) => !each.includes('::5e3b0c1a-'))).toEqual([]);
  });

  it('lets a database that fills up start a purge', async () => {
    const template = await packageStaging();
    const { Condition, Properties } = template.Resources.PurgeWhenFull ?? {};
    expect(template.Conditions?.[Condition ?? '']).toEqual({
      'Fn::Not': [{ 'Fn::Equals': ['8000000000', '0'] }],
    });
    expect(Properties.AlarmActions).toEqual([arnOf('RetentionDashpurgeLambdaFunction')]);
    expect(Properties.AlarmName).toMatch(/^nightshift-staging-/);
  });
});

describe('two stages', () => {
  it('share no name', async () => {
    const prod = await packageTemplate();
    const staging = await packageStaging();
    const namesIn = ({ Resources, Outputs }: Template) =>
      [...Object.values(Resources), ...(Object.values(Outputs) as Partial<Resource>[])]
        .flatMap((each) => [each.Properties ?? {}, (each as { Export?: object }).Export ?? {}])
        .flatMap((properties) => Object.entries(properties))
        .filter(([key, value]) => /^(\w*Name)$/.test(key) && typeof value === 'string')
        .filter(([key]) => !/^(MetricName|StageName|ScheduleExpression\w*)$/.test(key))
        .map(([, value]) => value);
    const names = namesIn(prod);
    expect(names.length).toBeGreaterThan(30);
    const shared = namesIn(staging).filter((name) => names.includes(name));
    expect(shared).toEqual([]);
  });
});
