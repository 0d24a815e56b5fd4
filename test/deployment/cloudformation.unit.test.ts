import { describe, expect, it } from 'vitest';
import { problemsOf } from '../support/cloudformation.ts';
import type { Resource, Template } from '../support/template.ts';

const queueArn = { 'Fn::GetAtt': ['Queue', 'Arn'] };
const sound: Template = {
  Conditions: { Given: { 'Fn::Equals': ['1', '1'] } },
  Outputs: { QueueArn: { Value: queueArn } },
  Resources: {
    Queue: {
      Type: 'AWS::SQS::Queue',
      Condition: 'Given',
      Properties: {
        // Parameters are text.
        MessageRetentionPeriod: '60',
        DelaySeconds: { 'Fn::If': ['Given', 1, { Ref: 'AWS::NoValue' }] },
      },
    },
    Policy: {
      Type: 'AWS::SQS::QueuePolicy',
      DependsOn: 'Queue',
      Properties: { Queues: [{ Ref: 'Queue' }], PolicyDocument: { Resource: queueArn } },
    },
    Schedule: {
      Type: 'AWS::Scheduler::Schedule',
      Properties: {
        Name: { 'Fn::Sub': `\${AWS::StackName}-\${Queue.QueueName}` },
        ScheduleExpression: 'rate(1 day)',
        FlexibleTimeWindow: { Mode: 'OFF' },
        Target: { Arn: queueArn, RoleArn: 'arn', RetryPolicy: { MaximumEventAgeInSeconds: 60 } },
      },
    },
  },
};

type Change = (resources: Record<'Queue' | 'Policy' | 'Schedule', Resource>) => object;
const { assign } = Object;

describe('a template', () => {
  it('that is sound has no problem', () => {
    expect(problemsOf(sound)).toEqual([]);
  });

  it.each<[string, Change, string]>([
    [
      'a type',
      ({ Queue }) => assign(Queue, { Type: 'AWS::SQS::Kew' }),
      'there is no AWS::SQS::Kew',
    ],
    [
      'a property',
      ({ Policy }) => assign(Policy.Properties, { Retention: 1 }),
      'Policy: there is no Retention',
    ],
    [
      'a property further in',
      ({ Schedule }) => assign(Schedule.Properties.Target.RetryPolicy, { Attempts: 1 }),
      'Schedule.Target.RetryPolicy: there is no Attempts',
    ],
    [
      'a kind of value',
      ({ Queue }) => assign(Queue.Properties, { MessageRetentionPeriod: 'long' }),
      'Queue.MessageRetentionPeriod: "long" is no integer',
    ],
    [
      'a kind of value in a branch',
      ({ Queue }) => assign(Queue.Properties, { DelaySeconds: { 'Fn::If': ['Given', 'a', 1] } }),
      'Queue.DelaySeconds: "a" is no integer',
    ],
    [
      'a value',
      ({ Schedule }) => assign(Schedule.Properties, { State: 'OFF' }),
      'Schedule.State: "OFF" is no string',
    ],
    [
      'an element of a list',
      ({ Policy }) => assign(Policy.Properties, { Queues: [7] }),
      'Policy.Queues[0]: 7 is no string',
    ],
    [
      'a resource, by Ref',
      ({ Policy }) => assign(Policy.Properties, { Queues: [{ Ref: 'Kew' }] }),
      'Policy: Ref of Kew',
    ],
    [
      'an attribute',
      ({ Policy }) => assign(Policy.Properties, { Queues: [{ 'Fn::GetAtt': ['Queue', 'Id'] }] }),
      'Policy: GetAtt of Queue.Id',
    ],
    [
      'a name in a text',
      ({ Queue }) => assign(Queue.Properties, { QueueName: { 'Fn::Sub': `\${Kew}` } }),
      'Queue: Sub of Kew',
    ],
    [
      'another resource',
      ({ Policy }) => assign(Policy, { DependsOn: ['Kew'] }),
      'DependsOn of Kew',
    ],
    ['a condition', ({ Queue }) => assign(Queue, { Condition: 'Never' }), 'Queue: If of Never'],
    [
      'where to begin',
      ({ Queue }) => assign(Queue, { DependsOn: 'Policy' }),
      'Queue > Policy > Queue',
    ],
  ])('is refused where CloudFormation would not know %s', (_, change, problem) => {
    const template = structuredClone(sound);
    change(template.Resources as Parameters<Change>[0]);
    expect(problemsOf(template).join()).toContain(problem);
  });

  it('is refused where something required is missing', () => {
    const template = structuredClone(sound);
    delete template.Resources.Policy?.Properties.Queues;
    expect(problemsOf(template)).toEqual(['Policy: lacks Queues']);
  });
});
