import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { jobNames, registry } from '../../functions/registry.ts';
import { setUpDatabase } from '../support/database.ts';
import { codeBlocks, readPage, rowsOf, sectionOf } from '../support/documents.ts';
import { emfLinesOf, namesIn } from '../support/emf.ts';
import { lambdaContext } from '../support/events.ts';
import { setUpHandler } from '../support/handler.ts';
import { bad, good, run } from '../support/nights.ts';
import { written } from '../support/record-output.ts';
import { longestGapSeconds } from '../support/schedules.ts';
import {
  type Alarm,
  alarmsOf,
  type MetricId,
  metricsOf,
  packageTemplate,
  resourcesOf,
  seriesOf,
  widgetsOf,
  withoutExtras,
} from '../support/template.ts';

const template = await packageTemplate();
const functions = resourcesOf(template, 'AWS::Lambda::Function').map(({ Properties }) => ({
  name: Properties.FunctionName as string,
  namespace: Properties.Environment.Variables.POWERTOOLS_METRICS_NAMESPACE as string,
}));
const alarms = alarmsOf(template);
const widgets = widgetsOf(template);
const prefix = 'nightshift-prod-';
const alarmOf = (name: string) => {
  const alarm = alarms.find(({ AlarmName }) => AlarmName === prefix + name);
  if (!alarm) throw new Error(`There is no alarm ${name}`);
  return alarm;
};

const hour = 3_600;
const day = 24 * hour;

const linesSince = (from: number) => emfLinesOf(written.slice(from));

/** What the checks say of the server that the tests share is no matter here. */
const ofServer = /^(checks-|slow-statements$)/;

/** The last figure of each metric of an alarm that has one. */
function figuresOf(alarm: Alarm, lines: ReturnType<typeof linesSince>): number[] {
  return seriesOf(alarm).flatMap(({ name, dimensions, statistic }) => {
    const last = lines.findLast((line) => line.service === dimensions.service && name in line);
    if (!last) return [];
    const values = [last[name] as number | number[]].flat();
    return statistic === 'Minimum' ? Math.min(...values) : Math.max(...values);
  });
}

/** The alarms that the last figure of each metric would ring; what is a share of a parameter is not among them. */
function ringing(lines: ReturnType<typeof linesSince>): string[] {
  const rings = (alarm: Alarm) => {
    const values = figuresOf(alarm, lines);
    const value = values.reduce((sum, each) => sum + each, 0);
    const threshold = Number(alarm.Threshold);
    if (values.length === 0) return false;
    if (alarm.ComparisonOperator === 'LessThanThreshold') return value < threshold;
    return alarm.ComparisonOperator === 'GreaterThanThreshold'
      ? value > threshold
      : value >= threshold;
  };
  return alarms
    .filter(({ Metrics = [] }) => !Metrics.some(({ Expression = '' }) => Expression.includes('/')))
    .filter(rings)
    .map(({ AlarmName }) => AlarmName.replace(prefix, ''));
}

describe.each(jobNames)('when %s', (job) => {
  const suite = setUpHandler({ POWERTOOLS_METRICS_NAMESPACE: functions[0]?.namespace }, job);

  it('does its work, no alarm rings', async () => {
    const from = written.length;
    await good[job](suite);
    expect(linesSince(from)).not.toHaveLength(0);
    expect(ringing(linesSince(from)).filter((name) => !ofServer.test(name))).toEqual([]);
  });

  it.each(Object.entries(bad[job]))(
    'finds that %s, the right alarms ring',
    async (_, { act, rings }) => {
      const from = written.length;
      await act(suite);
      expect(ringing(linesSince(from))).toEqual(expect.arrayContaining(rings));
    },
  );

  // The last figure holds, so one that stops would ring for ever.
  it('has nothing left to watch, a good figure ends each of its alarms', async () => {
    const ofHealthCheck = /^(SecondsSinceLastSuccess|\w+RunsInRow|RunFailed)$/;
    const ending = alarms.filter(
      (alarm) =>
        alarm.TreatMissingData === 'ignore' &&
        seriesOf(alarm).some(
          ({ namespace, name, dimensions }) =>
            namespace === functions[0]?.namespace &&
            (ofHealthCheck.test(name) ? job === 'health-check' : dimensions.service === job),
        ),
    );
    const figures = registry.find(({ name }) => name === job)?.alarms.ofFigures ?? {};
    const watchesFigures = job === 'health-check' || Object.keys(figures).length > 0;
    await good[job](suite);
    await suite.sql.unsafe(`
      delete from nightshift.retention_policies;
      delete from nightshift.refresh_policies;
      delete from nightshift.partition_policies`);
    for (const each of jobNames) await suite.sql.unsafe(run(each, 'succeeded'));
    const from = written.length;
    await suite.send({});
    const lines = linesSince(from);
    expect(ending.length > 0).toBe(watchesFigures);
    expect(ending.filter((alarm) => figuresOf(alarm, lines).length === 0)).toEqual([]);
    expect(ringing(lines).filter((name) => !ofServer.test(name))).toEqual([]);
  });

  it('cannot reach the database, its alarm rings', async () => {
    await suite.coldStart({ SUPABASE_URL: 'http://127.0.0.1:9' });
    const from = written.length;
    await expect(suite.send({}, lambdaContext({ remainingMs: 2_300 }))).rejects.toThrow();
    expect(ringing(linesSince(from))).toEqual([`${job}-failed`]);
  });

  it('finds that the run before it died, it counts it', async () => {
    await suite.sql`
      select nightshift.begin_run(${job}, 'cli', as_of => now() - interval '10 minutes')`;
    const from = written.length;
    await suite.send({});
    expect(linesSince(from).flatMap(namesIn)).toContain('RunLost');
  });
});

// After all of the above, because it is about what was written there.
describe('each metric', () => {
  const idOf = ({ namespace, name, dimensions }: MetricId) =>
    [namespace, name, ...Object.entries(dimensions).flat()].join(' ');
  const wanted = [...alarms.flatMap(seriesOf), ...widgets.flatMap(metricsOf)];
  // What AWS itself counts of the functions and the queue.
  const ofAws = [
    ...['Errors', 'Throttles', 'Duration'].flatMap((name) =>
      functions.map((each) => `AWS/Lambda ${name} FunctionName ${each.name}`),
    ),
    `AWS/SQS ApproximateNumberOfMessagesVisible QueueName ${prefix}dead-letters`,
  ];

  it('is in the namespace of the stage, or one that AWS writes', () => {
    expect(new Set(functions.map(({ namespace }) => namespace))).toEqual(
      new Set(['Nightshift/prod']),
    );
    const others = wanted.filter(({ namespace }) => namespace !== 'Nightshift/prod').map(idOf);
    expect(ofAws).toEqual(expect.arrayContaining(others));
  });

  const ours = new Set(wanted.map(idOf).filter((id) => !ofAws.includes(id)));
  it.each([...ours].sort())('%s is written by a function', (id) => {
    const seen = emfLinesOf(written).flatMap((line) =>
      line._aws.CloudWatchMetrics.flatMap(({ Namespace, Dimensions, Metrics }) =>
        Metrics.map(({ Name }) =>
          [Namespace, Name, ...(Dimensions[0] ?? []).flatMap((key) => [key, line[key]])].join(' '),
        ),
      ),
    );
    expect(seen).toContain(id);
  });
});

const runbook = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8');
const anchorIn = ({ AlarmDescription }: Alarm) =>
  /^[A-Z].*\. See docs\/runbook\.md#([a-z-]+)$/.exec(AlarmDescription)?.[1];

describe('the alarm', () => {
  it.each(alarms.map((alarm) => [alarm.AlarmName, alarm] as const))('%s is sound', (_, alarm) => {
    expect(alarm.AlarmName).toMatch(/^nightshift-prod-[a-z-]+$/);
    expect(alarm.AlarmActions).toEqual([{ Ref: 'AlarmTopic' }]);
    expect(alarm.OKActions).toEqual([{ Ref: 'AlarmTopic' }]);
    expect(['ignore', 'notBreaching', 'breaching']).toContain(alarm.TreatMissingData);
    expect(Number(alarm.Threshold)).toBeGreaterThan(0);
    expect(alarm.DatapointsToAlarm ?? 1).toBeLessThanOrEqual(alarm.EvaluationPeriods);
    for (const { period, statistic } of seriesOf(alarm)) {
      expect(period % 60).toBe(0);
      const limit = period >= hour ? 7 * day : day;
      expect(period * alarm.EvaluationPeriods).toBeLessThanOrEqual(limit);
      expect(['Maximum', 'Minimum']).toContain(statistic);
    }
    const { Metrics = [] } = alarm;
    expect(Metrics.filter(({ ReturnData = true }) => ReturnData)).toHaveLength(
      Metrics.length > 0 ? 1 : 0,
    );
    expect(new Set(seriesOf(alarm).map(({ period }) => period)).size).toBe(1);

    const section = runbook.split(/^#+ /m).find((text) => text.startsWith(`${anchorIn(alarm)}\n`));
    expect(section).toMatch(/^\*\*Meaning\.\*\*[\s\S]+^\*\*Check\.\*\*[\s\S]+^\*\*Fix\.\*\*/m);
  });

  it('has a name of its own, and no heading of the runbook is without one', () => {
    expect(new Set(alarms.map(({ AlarmName }) => AlarmName)).size).toBe(alarms.length);
    const headings = [...runbook.matchAll(/^### (.+)$/gm)].map(([, heading]) => heading);
    expect(headings.sort()).toEqual([...new Set(alarms.map(anchorIn))].sort());
  });

  it('costs what docs/deploy.md says', () => {
    const [row] = rowsOf(sectionOf(readPage('docs/deploy.md'), 'What it costs'), 'What').filter(
      ({ What }) => What?.startsWith('alarms'),
    );
    // By default the capacity of the database is not known, and those that need it are not made.
    const made = resourcesOf(template, 'AWS::CloudWatch::Alarm').filter(
      ({ Condition }) => Condition !== 'DatabaseCapacityGiven',
    );
    const count = made.flatMap(({ Properties }) => seriesOf(Properties)).length;
    expect(row).toMatchObject({
      'How many': `${count}`,
      'Dollars a month': (count * 0.1).toFixed(2),
    });
  });

  it('is there for each job', () => {
    for (const job of jobNames) {
      for (const kind of ['failed', 'partial', 'missed', 'lost']) alarmOf(`${job}-${kind}`);
    }
  });

  it('of silence is that of the health check alone, from which all figures come', () => {
    const silent = alarms.filter(({ TreatMissingData }) => TreatMissingData === 'breaching');
    expect(silent).toEqual([alarmOf('health-check-missed')]);
  });

  it('and the dashboard can be left out', async () => {
    const bare = await packageTemplate(...withoutExtras);
    const types = Object.values(bare.Resources).map(({ Type }) => Type);
    expect(types.filter((type) => /^AWS::(CloudWatch|SNS)/.test(type))).toEqual([]);
  });
});

describe('the runbook', () => {
  const db = setUpDatabase();

  it('has SQL that runs as it stands', async () => {
    const statements = codeBlocks(runbook, 'sql')
      .flatMap((block) => block.split(';'))
      .map((statement) => statement.replace(/ *--.*/g, '').trim())
      .filter((statement) => statement.startsWith('select') && !statement.includes('<'));
    expect(statements.length).toBeGreaterThan(8);
    await db.sql.begin(async (sql) => {
      await sql`set local search_path = public, extensions`;
      for (const statement of statements) await sql.unsafe(statement);
    });
  });
});

describe('the dashboard', () => {
  it('fills its rows', () => {
    expect(widgets.reduce((sum, { width }) => sum + width, 0) % 24).toBe(0);
    for (const { type, properties } of widgets) {
      expect(type).toBe('metric');
      expect(properties).toMatchObject({
        title: expect.stringMatching(/^[A-Z]/),
        region: 'eu-central-1',
      });
      expect(properties.metrics.length).toBeGreaterThan(0);
    }
  });
});

describe('a missed run', () => {
  const gaps = [
    ['daily', 'cron(0 2 * * ? *)', day],
    ['weekly', 'cron(0 2 ? * 1 *)', 7 * day],
    ['monthly', 'cron(0 2 1 * ? *)', 31 * day],
  ] as const;

  it.each(gaps)('of a %s schedule is one more than a gap and some hours ago', (word, cron, gap) => {
    expect(longestGapSeconds(cron)).toBe(gap);
    const advised = Number(new RegExp(`^\\| ${word} \\|.*\\| (\\d+) \\|$`, 'm').exec(runbook)?.[1]);
    expect(advised).toBeGreaterThan(gap);
    expect(advised).toBeLessThanOrEqual(gap + 4 * hour);
  });

  it.each([
    ['cron(0 2 ? * 2-6 *)', 3 * day],
    ['cron(0 2 ? * MON-FRI *)', 3 * day],
    ['cron(0 */6 * * ? *)', 6 * hour],
    ['rate(5 minutes)', 300],
  ])('counts from %s', (expression, gap) => {
    expect(longestGapSeconds(expression)).toBe(gap);
  });

  it('may be an hour later where clocks are put back, and two days where a night is left out', () => {
    expect(longestGapSeconds('cron(0 4 * * ? *)', 'Europe/Berlin')).toBe(25 * hour);
    expect(longestGapSeconds('cron(0 2 * * ? *)', 'Europe/Berlin')).toBe(47 * hour);
  });

  it.each(jobNames)('of %s is noticed soon, and none is that was not due', (job) => {
    const id = Object.entries(template.Resources).find(
      ([, { Properties }]) => Properties?.FunctionName === prefix + job,
    )?.[0];
    const gaps = resourcesOf(template, 'AWS::Scheduler::Schedule')
      .filter(({ Properties }) => Properties.Target.Arn['Fn::GetAtt'][0] === id)
      .map(({ Properties: { ScheduleExpression, ScheduleExpressionTimezone } }) =>
        longestGapSeconds(ScheduleExpression, ScheduleExpressionTimezone),
      );
    const gap = Math.min(...gaps);
    const threshold = Number(alarmOf(`${job}-missed`).Threshold);
    expect(threshold).toBeGreaterThan(gap);
    expect(threshold).toBeLessThanOrEqual(gap + 4 * hour);
  });
});
