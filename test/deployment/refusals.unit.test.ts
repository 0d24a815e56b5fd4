import { describe, expect, it } from 'vitest';
import { paramsIn, schedulesOf } from '../../cli/schedules.ts';
import { timeMs } from '../../functions/_shared/clock.ts';
import { jobNames, jobParameters, registry } from '../../functions/registry.ts';
import { refusedNames } from '../../infra/aws/names.ts';
import { oddOrder, refusedTimes } from '../../infra/aws/times.ts';
import { readPage } from '../support/documents.ts';

const clock = { nowMs: () => timeMs('2026-11-29T00:00:00Z') };

describe('names put together from a stage', () => {
  const functionsOf = (stage: string) =>
    jobNames.map((job) => ({
      Type: 'AWS::Lambda::Function',
      Properties: { FunctionName: `nightshift-${stage}-${job}` },
    }));

  it('are refused when AWS would refuse them, with the limit of the stage', () => {
    const stage = 'feature-customer-onboarding-flow';
    expect(refusedNames(functionsOf(stage), stage)).toEqual([
      `nightshift-${stage}-partition-maintenance has 65 characters, and FunctionName of AWS::Lambda::Function may have 64: the name of the stage (${stage}) may have 31`,
    ]);
    expect(refusedNames(functionsOf(stage.slice(0, 31)), stage.slice(0, 31))).toEqual([]);
  });

  it('are looked at for every resource that has a name', () => {
    const queue = (length: number) => [
      { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'q'.repeat(length) } },
    ];
    expect(refusedNames(queue(80), 'prod')).toEqual([]);
    expect(refusedNames(queue(81), 'prod')).toEqual([expect.stringContaining('may have 80')]);
  });
});

describe('a night', () => {
  const night = (timezone: string, ...hours: string[]) =>
    ['partition-maintenance', 'retention-purge', 'view-refresh'].map((job, n) => ({
      job,
      parameter: `schedule-${job}`,
      expression: `cron(${hours[n]} * * ? *)`,
      timezone,
    }));

  it('is refused when summer time leaves a part of it out', () => {
    expect(refusedTimes(night('Europe/Berlin', '30 1', '0 2', '30 2'), clock)).toEqual([
      expect.stringMatching(/^retention-purge: .* there is not on 2027-03-28, .* skips it/),
      expect.stringMatching(/^view-refresh: /),
      expect.stringContaining('Write under params'),
    ]);
    expect(refusedTimes(night('Europe/Berlin', '30 3', '0 4', '30 4'), clock)).toEqual([]);
    expect(refusedTimes(night('UTC', '30 1', '0 2', '30 2'), clock)).toEqual([]);
  });

  it('is warned of when its jobs do not follow each other', () => {
    expect(oddOrder(night('UTC', '30 1', '0 4', '30 2'), clock)).toEqual([
      expect.stringMatching(/^view-refresh runs at 02:30, before retention-purge at 04:00/),
    ]);
    expect(oddOrder(night('Europe/Berlin', '30 3', '0 4', '30 4'), clock)).toEqual([]);
  });
});

describe('a time zone with the hours of the defaults', () => {
  const schedulesWith = (params: object) =>
    registry.flatMap((job) =>
      schedulesOf(job, { ...jobParameters, ...params }).map((schedule) => ({
        ...schedule,
        job: job.name,
      })),
    );

  it.each([
    ['Europe/Berlin', 'cron(0 4 * * ? *)'],
    ['Europe/London', 'cron(0 3 * * ? *)'],
    ['Europe/Athens', undefined],
    ['America/New_York', 'cron(0 4 * * ? *)'],
    ['Asia/Beirut', undefined],
  ])('%s is refused with what to write, or taken', (timezone, purge) => {
    const refused = refusedTimes(schedulesWith({ 'schedule-timezone': timezone }), clock);
    if (!purge) {
      expect(refused).toEqual([]);
      return;
    }
    const lines = [...`${refused.at(-1)}`.matchAll(/^ {2}(schedule-[a-z-]+): (.*)$/gm)];
    const written = Object.fromEntries(lines.map(([, name = '', value]) => [name, value]));
    expect(Object.keys(written)).toHaveLength(5);
    expect(written['schedule-retention-purge']).toBe(purge);
    const mended = schedulesWith({ 'schedule-timezone': timezone, ...written });
    expect(refusedTimes(mended, clock)).toEqual([]);
    expect(oddOrder(mended, clock)).toEqual([]);
  });
});

it('the example of docs/deploy.md is neither refused nor warned of', () => {
  const [, example = ''] =
    /## Summer time[\s\S]*?```yaml\n([\s\S]*?)```/.exec(readPage('docs/deploy.md')) ?? [];
  const params = paramsIn(example, 'prod');
  const schedules = registry.flatMap((job) =>
    schedulesOf(job, params).map((schedule) => ({ ...schedule, job: job.name })),
  );
  expect(new Set(schedules.map(({ timezone }) => timezone))).toEqual(new Set(['Europe/Berlin']));
  expect(refusedTimes(schedules, clock)).toEqual([]);
  expect(oddOrder(schedules, clock)).toEqual([]);
});
