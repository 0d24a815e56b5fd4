/** A resource of CloudFormation; what its type allows is checked in test/deployment/template.e2e.test.ts. */
export interface Resource {
  Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: each type of resource has properties of its own.
  Properties: any;
}

export const arnOf = (logicalId: string) => ({ 'Fn::GetAtt': [logicalId, 'Arn'] });
export const deadLetters = arnOf('DeadLetters');
export const account = { Ref: 'AWS::AccountId' };

const allow = (actions: string[], resource: unknown) => ({
  Effect: 'Allow',
  Action: actions,
  Resource: resource,
});

function role(service: string, condition: object, statements: object[]): Resource {
  const trust = { Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' };
  return {
    Type: 'AWS::IAM::Role',
    Properties: {
      AssumeRolePolicyDocument: { Version: '2012-10-17', Statement: [{ ...trust, ...condition }] },
      Policies: [
        {
          PolicyName: 'nightshift',
          PolicyDocument: { Version: '2012-10-17', Statement: statements },
        },
      ],
    },
  };
}

/** Its log, the event bus, and what it could not do: nothing of its neighbours. */
export function roleOfFunction(logGroupId: string): Resource {
  return role('lambda.amazonaws.com', {}, [
    allow(['logs:CreateLogStream', 'logs:PutLogEvents'], arnOf(logGroupId)),
    allow(['events:PutEvents'], arnOf('EventBus')),
    allow(['sqs:SendMessage'], deadLetters),
  ]);
}

/** Of the schedules of this stage, by their group: AWS asks for the group here, not for a schedule. */
export function roleOfScheduler(functionIds: string[]): Resource {
  const condition = {
    Condition: {
      StringEquals: { 'aws:SourceAccount': account },
      ArnEquals: { 'aws:SourceArn': arnOf('ScheduleGroup') },
    },
  };
  return role('scheduler.amazonaws.com', condition, [
    allow(['lambda:InvokeFunction'], functionIds.map(arnOf)),
    allow(['sqs:SendMessage'], deadLetters),
  ]);
}
