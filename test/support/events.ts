import type {
  APIGatewayProxyEventV2,
  CloudWatchAlarmEvent,
  Context,
  EventBridgeEvent,
  S3Event,
  SNSEvent,
} from 'aws-lambda';
import { deadlineIn, systemClock } from '../../functions/_shared/clock.ts';

// Complete events as AWS sends them. What a test is about goes into the argument; the rest stays as it is in the field.

const account = '123456789012';
const region = 'eu-central-1';
const scheduleArn = `arn:aws:scheduler:${region}:${account}:schedule/default/nightshift-dev-RetentionPurge`;
const ruleArn = `arn:aws:events:${region}:${account}:rule/nightshift-dev-retention-purge`;
const topicArn = `arn:aws:sns:${region}:${account}:nightshift-alarms`;
const alarmArn = `arn:aws:cloudwatch:${region}:${account}:alarm:soft-deletes-piling-up`;

type AlarmState = 'ALARM' | 'OK' | 'INSUFFICIENT_DATA';

interface SchedulerInput {
  scheduleArn: string;
  scheduledTime: string;
  input?: unknown;
}

/** EventBridge Scheduler hands over the `input` of infra/aws/schedules.ts, placeholders filled in. */
export function schedulerInput(overrides: Partial<SchedulerInput> = {}): SchedulerInput {
  return { scheduleArn, scheduledTime: '2026-01-01T02:00:00Z', ...overrides };
}

/** As a local scheduler hands it over. */
export function unfilledSchedulerInput(): SchedulerInput {
  return {
    scheduleArn: '<aws.scheduler.schedule-arn>',
    scheduledTime: '<aws.scheduler.scheduled-time>',
  };
}

export type BusEvent = EventBridgeEvent<string, unknown>;

export function busEvent(
  detailType: string,
  source: string,
  overrides: Partial<BusEvent> = {},
): BusEvent {
  return {
    version: '0',
    id: '89d1a02d-5ec7-412e-82f5-13505f849b41',
    'detail-type': detailType,
    source,
    account,
    time: '2026-01-01T02:00:00Z',
    region,
    resources: [],
    detail: {},
    ...overrides,
  };
}

/** A rule with a schedule expression, the elder sibling of EventBridge Scheduler. */
export function ruleEvent(overrides: Partial<BusEvent> = {}): BusEvent {
  return busEvent('Scheduled Event', 'aws.events', { resources: [ruleArn], ...overrides });
}

export function continueEvent(
  detail: Record<string, unknown>,
  overrides: Partial<BusEvent> = {},
): BusEvent {
  return busEvent('nightshift.run.continue', 'nightshift', {
    detail: { version: 1, job: 'retention-purge', attempt: 1, ...detail },
    ...overrides,
  });
}

interface HttpOptions {
  token?: string | undefined;
  headers?: Record<string, string>;
  /** Anything but a string is sent as JSON; left out, there is no body. */
  body?: unknown;
  base64?: boolean;
  method?: string;
  path?: string;
  /** A stage other than $default is a prefix of the path. */
  stage?: string;
}

/** An HTTP API with payload format 2.0, which hands over header names in lower case. */
export function httpRequest(options: HttpOptions = {}): APIGatewayProxyEventV2 {
  const {
    token,
    headers = {},
    body,
    base64 = false,
    method = 'POST',
    stage = '$default',
  } = options;
  const route = options.path ?? '/jobs/retention-purge/runs';
  const path = stage === '$default' ? route : `/${stage}${route}`;
  const text = typeof body === 'string' || body === undefined ? body : JSON.stringify(body);
  return {
    version: '2.0',
    routeKey: 'POST /jobs/retention-purge/runs',
    rawPath: path,
    rawQueryString: '',
    headers: {
      accept: '*/*',
      ...(text === undefined ? {} : { 'content-type': 'application/json' }),
      host: `a1b2c3d4e5.execute-api.${region}.amazonaws.com`,
      'user-agent': 'curl/8.7.1',
      'x-amzn-trace-id': 'Root=1-6955d720-1f2e3d4c5b6a79880912abcd',
      'x-forwarded-for': '192.0.2.10',
      'x-forwarded-port': '443',
      'x-forwarded-proto': 'https',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    requestContext: {
      accountId: account,
      apiId: 'a1b2c3d4e5',
      domainName: `a1b2c3d4e5.execute-api.${region}.amazonaws.com`,
      domainPrefix: 'a1b2c3d4e5',
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: '192.0.2.10', userAgent: 'curl/8.7.1' },
      requestId: 'WmKyJj9hFiAEPLQ=',
      routeKey: 'POST /jobs/retention-purge/runs',
      stage,
      time: '01/Jan/2026:02:00:00 +0000',
      timeEpoch: 1_767_232_800_000,
    },
    ...(text === undefined ? {} : { body: base64 ? Buffer.from(text).toString('base64') : text }),
    isBase64Encoded: base64,
  };
}

function alarmData(state: AlarmState): CloudWatchAlarmEvent['alarmData'] {
  return {
    alarmName: 'soft-deletes-piling-up',
    state: {
      value: state,
      reason:
        'Threshold Crossed: 1 datapoint [250.0 (01/01/26 01:55:00)] was greater than the threshold (100.0).',
      reasonData:
        '{"version":"1.0","queryDate":"2026-01-01T02:00:00.000+0000","statistic":"Sum","period":300,"recentDatapoints":[250.0],"threshold":100.0}',
      timestamp: '2026-01-01T02:00:00.000+0000',
    },
    previousState: {
      value: state === 'ALARM' ? 'OK' : 'ALARM',
      reason:
        'Threshold Crossed: 1 datapoint [12.0 (01/01/26 01:50:00)] was not greater than the threshold (100.0).',
      timestamp: '2026-01-01T01:55:00.000+0000',
    },
    configuration: {
      description: 'Soft deletes an hour',
      metrics: [
        {
          id: 'm1',
          metricStat: {
            metric: { namespace: 'Shop', name: 'SoftDeletes', dimensions: { service: 'orders' } },
            period: 300,
            stat: 'Sum',
          },
          returnData: true,
        },
      ],
    },
  };
}

/** An alarm whose action is the function itself. */
export function straightAlarm(
  state: AlarmState = 'ALARM',
  overrides: Partial<CloudWatchAlarmEvent> = {},
): CloudWatchAlarmEvent {
  return {
    source: 'aws.cloudwatch',
    alarmArn,
    accountId: account,
    time: '2026-01-01T02:00:00.000+0000',
    region,
    alarmData: alarmData(state),
    ...overrides,
  };
}

export function busAlarm(state: AlarmState = 'ALARM', overrides: Partial<BusEvent> = {}): BusEvent {
  return busEvent('CloudWatch Alarm State Change', 'aws.cloudwatch', {
    id: 'c4c1c1c9-6542-e61b-6ef0-8c4d36933a92',
    resources: [alarmArn],
    detail: alarmData(state),
    ...overrides,
  });
}

/** An alarm's message to a topic spells everything differently. */
export function snsAlarm(state: AlarmState = 'ALARM', messageId?: string): SNSEvent {
  const { alarmName, state: now, previousState } = alarmData(state);
  const message = {
    AlarmName: alarmName,
    AlarmDescription: 'Soft deletes an hour',
    AWSAccountId: account,
    AlarmConfigurationUpdatedTimestamp: '2025-12-01T10:00:00.000+0000',
    NewStateValue: now.value,
    NewStateReason: now.reason,
    StateChangeTime: now.timestamp,
    Region: 'EU (Frankfurt)',
    AlarmArn: alarmArn,
    OldStateValue: previousState.value,
    OKActions: [],
    AlarmActions: [topicArn],
    InsufficientDataActions: [],
    Trigger: {
      MetricName: 'SoftDeletes',
      Namespace: 'Shop',
      StatisticType: 'Statistic',
      Statistic: 'SUM',
      Unit: null,
      Dimensions: [{ value: 'orders', name: 'service' }],
      Period: 300,
      EvaluationPeriods: 1,
      DatapointsToAlarm: 1,
      ComparisonOperator: 'GreaterThanThreshold',
      Threshold: 100.0,
      TreatMissingData: 'missing',
      EvaluateLowSampleCountPercentile: '',
    },
  };
  return snsMessage(JSON.stringify(message), messageId);
}

export function snsMessage(
  message: string,
  messageId = '95df01b4-ee98-5cb9-9903-4c221d41eb5e',
): SNSEvent {
  return {
    Records: [
      {
        EventVersion: '1.0',
        EventSubscriptionArn: `${topicArn}:21be56ed-a058-49f5-8c98-aedd2564c486`,
        EventSource: 'aws:sns',
        Sns: {
          SignatureVersion: '1',
          Timestamp: '2026-01-01T02:00:00.000Z',
          Signature: 'tcc6faL2yUC6dgZdmrwh1Y4cGa/ebXEkAi6RibDsvpi+tE/1+82j==',
          SigningCertUrl: `https://sns.${region}.amazonaws.com/SimpleNotificationService-ac565b8b.pem`,
          MessageId: messageId,
          Message: message,
          MessageAttributes: {},
          Type: 'Notification',
          UnsubscribeUrl: `https://sns.${region}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=${topicArn}`,
          TopicArn: topicArn,
          Subject: 'ALARM: "soft-deletes-piling-up" in EU (Frankfurt)',
        },
      },
    ],
  };
}

export function s3Event(key: string): S3Event {
  return {
    Records: [
      {
        eventVersion: '2.1',
        eventSource: 'aws:s3',
        awsRegion: region,
        eventTime: '2026-01-01T02:00:00.000Z',
        eventName: 'ObjectCreated:Put',
        userIdentity: { principalId: 'AIDAJDPLRKLG7UEXAMPLE' },
        requestParameters: { sourceIPAddress: '192.0.2.10' },
        responseElements: {
          'x-amz-request-id': 'C3D13FE58DE4C810',
          'x-amz-id-2': 'FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD',
        },
        s3: {
          s3SchemaVersion: '1.0',
          configurationId: 'uploads',
          bucket: {
            name: 'uploads',
            ownerIdentity: { principalId: 'A3NL1KOZZKExample' },
            arn: 'arn:aws:s3:::uploads',
          },
          object: {
            key,
            size: 1024,
            eTag: 'd41d8cd98f00b204e9800998ecf8427e',
            sequencer: '0055AED6DCD90281E5',
          },
        },
      },
    ],
  };
}

/** The remaining time counts down from `remainingMs`, as Lambda's does. */
export function lambdaContext({ remainingMs = 900_000 } = {}): Context {
  const deadline = deadlineIn(systemClock, remainingMs);
  const deprecated = () => {
    throw new Error('Not part of any runtime that is still offered.');
  };
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName: 'nightshift-dev-retention-purge',
    functionVersion: '$LATEST',
    invokedFunctionArn: `arn:aws:lambda:${region}:${account}:function:nightshift-dev-retention-purge`,
    memoryLimitInMB: '256',
    awsRequestId: crypto.randomUUID(),
    logGroupName: '/aws/lambda/nightshift-dev-retention-purge',
    logStreamName: '2026/01/01/[$LATEST]58419525dade4d17a495dceeeed44708',
    getRemainingTimeInMillis: deadline.remainingMs,
    done: deprecated,
    fail: deprecated,
    succeed: deprecated,
  };
}
