/** How long a name may be that is put together from the service, the stage and what it is of, by type and property. */
const limits: Record<string, Record<string, number>> = {
  'AWS::Lambda::Function': { FunctionName: 64 },
  'AWS::Scheduler::ScheduleGroup': { Name: 64 },
  'AWS::SQS::Queue': { QueueName: 80 },
  'AWS::SNS::Topic': { TopicName: 256, DisplayName: 100 },
  'AWS::Events::EventBus': { Name: 256 },
  'AWS::CloudWatch::Alarm': { AlarmName: 255 },
  'AWS::CloudWatch::Dashboard': { DashboardName: 255 },
};

interface Named {
  Type: string;
  Properties?: Record<string, unknown>;
}

/** What AWS would refuse in the middle of a deployment, in a sentence each. */
export function refusedNames(resources: readonly Named[], stage: string): string[] {
  const names = resources.flatMap(({ Type, Properties = {} }) =>
    Object.entries(limits[Type] ?? {}).flatMap(([property, limit]) => {
      const name = Properties[property];
      return typeof name === 'string' ? [{ name, limit, of: `${property} of ${Type}` }] : [];
    }),
  );
  const excess = names.map(({ name, limit, of }) => ({ name, limit, of, by: name.length - limit }));
  const [worst] = excess.filter(({ by }) => by > 0).toSorted((a, b) => b.by - a.by);
  if (!worst) return [];
  const { name, limit, of, by } = worst;
  return [
    `${name} has ${name.length} characters, and ${of} may have ${limit}: the name of the stage (${stage}) may have ${stage.length - by}`,
  ];
}
