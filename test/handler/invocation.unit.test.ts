import { describe, expect, it } from 'vitest';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { parseEvent } from '../../functions/_shared/invocation.ts';
import { job } from '../../functions/retention-purge/job.ts';
import { schedulesOf } from '../../infra/aws/schedules.ts';
import {
  busAlarm,
  busEvent,
  continueEvent,
  ruleEvent,
  s3Event,
  schedulerInput,
  snsAlarm,
  snsMessage,
  straightAlarm,
  unfilledSchedulerInput,
} from '../support/events.ts';

const parse = (event: unknown) => parseEvent(event, job, 'request 1');
const runId = '3f0e1d2c-4b5a-4968-8776-655443322110';

function refusalOf(event: unknown): NightshiftError {
  try {
    parse(event);
  } catch (error) {
    if (error instanceof NightshiftError) return error;
  }
  throw new Error('The event was not refused.');
}

describe('a schedule', () => {
  it('runs once for each schedule and scheduled time, whichever attempt delivers it', () => {
    expect(parse(schedulerInput())).toEqual({
      trigger: 'schedule',
      requestedBy: schedulerInput().scheduleArn,
      idempotencyKey: `${schedulerInput().scheduleArn} 2026-01-01T02:00:00Z`,
      input: {},
    });
  });

  it('hands on the input that the schedule carries', () => {
    expect(parse(schedulerInput({ input: { only: ['public.logs'] } }))).toMatchObject({
      input: { only: ['public.logs'] },
    });
  });

  it('has no key when nobody filled in the placeholders', () => {
    expect(parse(unfilledSchedulerInput())).toEqual({
      trigger: 'schedule',
      requestedBy: 'scheduler',
      input: {},
    });
  });

  it.each(['scheduleArn', 'scheduledTime'] as const)('has no key when %s is unfilled', (name) => {
    const event = schedulerInput({ [name]: unfilledSchedulerInput()[name] });
    expect(parse(event)).not.toHaveProperty('idempotencyKey');
  });

  it('sends what the deployment says', () => {
    const [event] = schedulesOf({ schedules: [{ parameter: 'nightly' }] });
    expect(event?.schedule.input).toEqual(unfilledSchedulerInput());
  });

  it('may be a rule of EventBridge, which runs once for each event id', () => {
    expect(parse(ruleEvent())).toEqual({
      trigger: 'schedule',
      requestedBy: ruleEvent().resources[0],
      idempotencyKey: ruleEvent().id,
      input: {},
    });
    expect(parse(ruleEvent({ resources: [] }))).toMatchObject({ requestedBy: 'rule' });
  });
});

describe('an alarm', () => {
  it('straight from CloudWatch runs once for each alarm and time', () => {
    expect(parse(straightAlarm())).toEqual({
      trigger: 'alarm',
      requestedBy: 'soft-deletes-piling-up',
      idempotencyKey: `${straightAlarm().alarmArn} 2026-01-01T02:00:00.000+0000`,
      input: {},
    });
  });

  it('over EventBridge runs once for each event id', () => {
    expect(parse(busAlarm())).toEqual({
      trigger: 'alarm',
      requestedBy: 'soft-deletes-piling-up',
      idempotencyKey: busAlarm().id,
      input: {},
    });
  });

  it('over SNS runs once for each message id', () => {
    expect(parse(snsAlarm('ALARM', 'a-message'))).toEqual({
      trigger: 'alarm',
      requestedBy: 'soft-deletes-piling-up',
      idempotencyKey: 'a-message',
      input: {},
    });
  });

  const routes = { straight: straightAlarm, 'over EventBridge': busAlarm, 'over SNS': snsAlarm };
  describe.each(Object.entries(routes))('%s', (_, alarm) => {
    it.each(['OK', 'INSUFFICIENT_DATA'] as const)('that is %s asks for nothing', (state) => {
      expect(parse(alarm(state))).toEqual({ ignored: `alarm soft-deletes-piling-up is ${state}` });
    });
  });
});

describe('a continuation', () => {
  it('resumes the run that it names, after the attempt that asked for it', () => {
    expect(parse(continueEvent({ runId, attempt: 3 }, { id: 'an-event' }))).toEqual({
      trigger: 'event',
      requestedBy: 'an-event',
      input: {},
      resume: { runId, attempt: 3 },
    });
  });

  it('of another job asks for nothing', () => {
    expect(parse(continueEvent({ runId, job: 'view-refresh' }))).toEqual({
      ignored: 'continuation of view-refresh',
    });
  });

  it.each([
    ['no run', {}],
    ['a run id that is none', { runId: 'run-secret' }],
    ['attempt 0', { runId, attempt: 0 }],
    ['half an attempt', { runId, attempt: 1.5 }],
    ['a version of the future', { runId, version: 2 }],
  ])('with %s is refused', (_, detail) => {
    const error = refusalOf(continueEvent(detail));
    expect(error).toMatchObject({
      code: 'NS400',
      message: 'Unknown event: nightshift.run.continue from nightshift',
    });
    expect(JSON.stringify(error.describe())).not.toContain('run-secret');
  });

  it('is one only when it comes from nightshift', () => {
    const event = continueEvent({ runId }, { source: 'somebody.else' });
    expect(refusalOf(event).message).toBe(
      'Unknown event: nightshift.run.continue from somebody.else',
    );
  });
});

describe('a plain invoke', () => {
  it.each([{}, { dryRun: true }, { only: ['public.logs'], force: true }])(
    'hands on %j, and has no key',
    (input) => {
      expect(parse(input)).toEqual({
        trigger: 'event',
        requestedBy: 'invoke',
        idempotencyKey: 'request 1',
        input,
      });
    },
  );

  it('leaves it to the job to judge the values', () => {
    expect(parse({ dryRun: 'yes' })).toMatchObject({ input: { dryRun: 'yes' } });
  });
});

describe('what nobody knows', () => {
  const secret = 'sesame-7f3a';
  it.each([
    ['null', null, 'null'],
    ['a string', secret, 'string'],
    ['an array', [{ token: secret }], 'an array'],
    ['foreign keys', { token: secret, dryRun: true }, 'an object with token, dryRun'],
    ['an S3 event', s3Event(secret), 'an object with Records'],
    [
      'an EventBridge event of another type',
      busEvent('Object Created', 'aws.s3', { detail: { key: secret } }),
      'Object Created from aws.s3',
    ],
    [
      'an alarm event without a state',
      busAlarm('ALARM', { detail: { alarmName: secret } }),
      'CloudWatch Alarm State Change from aws.cloudwatch',
    ],
    ['an SNS message in words', snsMessage(`Hello ${secret}`), 'SNS message from arn:aws:sns'],
    [
      'an SNS message about something else',
      snsMessage(JSON.stringify({ notificationType: 'Bounce', mail: secret })),
      'SNS message from arn:aws:sns',
    ],
    [
      'two SNS records',
      { Records: [...snsAlarm().Records, ...snsMessage(secret).Records] },
      'an object with Records',
    ],
    [
      'a schedule with a foreign key',
      { ...schedulerInput(), token: secret },
      'an object with scheduleArn, scheduledTime, token',
    ],
    [
      'an alarm without a time',
      { source: 'aws.cloudwatch', alarmArn: secret, alarmData: {} },
      'an object with source, alarmArn, alarmData',
    ],
  ])('%s is refused by name, never by value', (_, event, name) => {
    const error = refusalOf(event);
    expect(error.code).toBe('NS400');
    expect(error.message).toMatch(/^Unknown event: /);
    expect(error.message).toContain(name);
    expect(error.detail).toContain('Nothing was run');
    expect(error.hint).toBeTruthy();
    expect(JSON.stringify(error.describe())).not.toContain(secret);
  });

  it('is not a name without end', () => {
    const keys = Array.from({ length: 1_000 }, (_, n) => [`key${n}`, n]);
    expect(refusalOf(Object.fromEntries(keys)).message.length).toBeLessThan(200);
  });
});
