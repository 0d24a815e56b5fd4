import * as z from 'zod';
import { NightshiftError } from './errors.ts';
import type { JobInterface } from './job.ts';
import type { RunDocument } from './ledger.ts';
import { parseJson } from './parse-json.ts';
import { eventDetails, eventSource } from './run-events.ts';

/** A request for a run, whatever event it came in. */
export interface Invocation {
  trigger: RunDocument['trigger'];
  /** Requests with the same key are the same request, which runs once. */
  idempotencyKey?: string;
  /** Who or what asked, for the ledger: an ARN, an alarm's name, a request id. */
  requestedBy?: string;
  /** Not validated yet: the schema of the job does that. */
  input: unknown;
  resume?: { runId: string; attempt: number };
}

/** An event that needs no run, such as an alarm that went back to OK. */
export interface Ignored {
  ignored: string;
}

/** The input that function.yml sets for EventBridge Scheduler, which fills in the placeholders. */
const schedulerEvent = z.strictObject({
  scheduleArn: z.string(),
  scheduledTime: z.string(),
  input: z.unknown().optional(),
});

/** An alarm that invokes the function directly. */
const directAlarm = z.object({
  source: z.literal('aws.cloudwatch'),
  alarmArn: z.string(),
  time: z.string(),
  alarmData: z.object({ alarmName: z.string(), state: z.object({ value: z.string() }) }),
});

const snsEvent = z.object({
  Records: z.tuple([
    z.object({
      EventSource: z.literal('aws:sns'),
      Sns: z.object({ TopicArn: z.string(), MessageId: z.string(), Message: z.string() }),
    }),
  ]),
});

const eventBridgeEvent = z.object({
  id: z.string(),
  source: z.string(),
  'detail-type': z.string(),
  resources: z.array(z.string()),
  detail: z.unknown(),
});

const alarmDetail = z.object({ alarmName: z.string(), state: z.object({ value: z.string() }) });

const snsAlarm = z.object({ AlarmName: z.string(), NewStateValue: z.string() });

/** Reads every event but HTTP. An unknown event is an error, since ignoring it would look like a quiet night. */
export function parseEvent(
  event: unknown,
  job: JobInterface,
  requestId: string,
): Invocation | Ignored {
  if (isPlainInput(event, job)) {
    // A plain input has no id. Lambda's request id stays the same when it retries.
    return { trigger: 'event', requestedBy: 'invoke', idempotencyKey: requestId, input: event };
  }

  const scheduler = schedulerEvent.safeParse(event);
  if (scheduler.success) return fromScheduler(scheduler.data);

  const alarm = directAlarm.safeParse(event);
  if (alarm.success) {
    const { alarmArn, time, alarmData } = alarm.data;
    return fromAlarm(alarmData.alarmName, alarmData.state.value, `${alarmArn} ${time}`);
  }
  const sns = snsEvent.safeParse(event);
  if (sns.success) return fromSns(sns.data);

  const bus = eventBridgeEvent.safeParse(event);
  if (bus.success) return fromEventBridge(bus.data, job.name);

  throw new NightshiftError('NS400', `Unknown event: ${nameOf(event)}`, {
    detail: 'Nothing was run.',
    hint: 'Send a Scheduler or rule event, an HTTP API v2 request, a CloudWatch alarm (straight, over EventBridge or over SNS), a nightshift.run.continue event, or the input itself, like {"dryRun": true}.',
  });
}

/** Whether the event is just the input of the job, as `aws lambda invoke` sends it. */
function isPlainInput(event: unknown, { input }: JobInterface): boolean {
  const object = z.record(z.string(), z.unknown()).safeParse(event);
  return object.success && Object.keys(object.data).every((key) => key in input.shape);
}

function fromScheduler(event: z.output<typeof schedulerEvent>): Invocation {
  // A local scheduler leaves the placeholders as they are, so there is no idempotency key.
  const filled = !event.scheduleArn.startsWith('<') && !event.scheduledTime.startsWith('<');
  return {
    trigger: 'schedule',
    requestedBy: filled ? event.scheduleArn : 'scheduler',
    ...(filled ? { idempotencyKey: `${event.scheduleArn} ${event.scheduledTime}` } : {}),
    input: event.input ?? {},
  };
}

function fromAlarm(name: string, state: string, idempotencyKey: string): Invocation | Ignored {
  if (state !== 'ALARM') return { ignored: `alarm ${name} is ${state}` };
  return { trigger: 'alarm', requestedBy: name, idempotencyKey, input: {} };
}

function fromSns({ Records: [record] }: z.output<typeof snsEvent>): Invocation | Ignored {
  const message = snsAlarm.safeParse(parseJson(record.Sns.Message));
  if (!message.success) {
    throw new NightshiftError('NS400', `Unknown event: SNS message from ${record.Sns.TopicArn}`, {
      detail: 'The message is not a CloudWatch alarm. Nothing was run.',
      hint: 'Subscribe the function only to topics that carry CloudWatch alarms.',
    });
  }
  const { AlarmName, NewStateValue } = message.data;
  return fromAlarm(AlarmName, NewStateValue, record.Sns.MessageId);
}

function fromEventBridge(
  event: z.output<typeof eventBridgeEvent>,
  job: string,
): Invocation | Ignored {
  const type = event['detail-type'];
  if (event.source === 'aws.events' && type === 'Scheduled Event') {
    const rule = event.resources[0] ?? 'rule';
    return { trigger: 'schedule', requestedBy: rule, idempotencyKey: event.id, input: {} };
  }
  if (event.source === 'aws.cloudwatch' && type === 'CloudWatch Alarm State Change') {
    const detail = alarmDetail.safeParse(event.detail);
    if (detail.success) {
      return fromAlarm(detail.data.alarmName, detail.data.state.value, event.id);
    }
  }
  if (event.source === eventSource && type === 'nightshift.run.continue') {
    const detail = eventDetails[type].safeParse(event.detail);
    if (detail.success) {
      const { runId, attempt } = detail.data;
      if (detail.data.job !== job) return { ignored: `continuation of ${detail.data.job}` };
      return { trigger: 'event', requestedBy: event.id, input: {}, resume: { runId, attempt } };
    }
  }
  throw new NightshiftError('NS400', `Unknown event: ${type} from ${event.source}`, {
    detail: 'Nothing was run.',
    hint: 'Narrow the pattern of the rule that sends it.',
  });
}

/** Describes an event by its type and keys, never by its values. */
function nameOf(event: unknown): string {
  if (event === null || typeof event !== 'object') return event === null ? 'null' : typeof event;
  if (Array.isArray(event)) return 'an array';
  return `an object with ${Object.keys(event).slice(0, 10).join(', ') || 'no keys'}`;
}
