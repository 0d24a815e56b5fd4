import { describe, expect, it } from 'vitest';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { stepOf, type TableResults } from '../../functions/retention-purge/report.ts';
import { explainMeasuring, runStatus, spareMs } from '../../functions/retention-purge/rules.ts';
import {
  type MeasuredTable,
  noTotals,
  type Policy,
} from '../../functions/retention-purge/schema.ts';

const policy = (relation: string): Policy => ({
  relation,
  dropAfter: '30 days',
  markerColumn: 'deleted_at',
  flagColumn: null,
  maxFraction: 0.5,
});

const backlog = (
  dueRows: number,
  totalRows: number,
  keys: MeasuredTable['keys'] = [],
): MeasuredTable => ({
  dueRows,
  dueRowsExact: true,
  totalRows,
  totalRowsExact: true,
  oldestDueAt: null,
  overdueSeconds: null,
  assess: false,
  warnings: [],
  keys,
});

describe('a table that cannot be measured', () => {
  it('says so where there was not enough time, and else what went wrong', () => {
    const late = explainMeasuring(new NightshiftError('57014', 'timed out'), 'public.orders');
    expect(late).toMatchObject({
      code: '57014',
      message: 'What is due in public.orders could not be measured in time',
      hint: expect.stringContaining('Nothing was deleted from it'),
    });
    const gone = new NightshiftError('NS404', 'gone');
    expect(explainMeasuring(gone, 'public.orders')).toBe(gone);
  });
});

describe('the deadline', () => {
  it('stops before a batch that might not fit', () => {
    expect(spareMs(10_000, 250)).toBeGreaterThan(0);
    expect(spareMs(10_000, 4_000)).toBeLessThan(0);
    expect(spareMs(1_799, 0)).toBeLessThan(0);
  });
});

describe('a step', () => {
  const stepWith = (results: Partial<TableResults>) =>
    stepOf(
      policy('public.t'),
      {
        totals: noTotals,
        outOfTime: false,
        before: backlog(100, 1_000),
        after: backlog(0, 900),
        ...results,
      },
      { dryRun: false },
    );

  it('succeeds when nothing is left', () => {
    expect(stepWith({ totals: { ...noTotals, rowsPurged: 100 } }).status).toBe('succeeded');
  });

  it('fails when nothing was done and rows are left that no foreign key needs', () => {
    const step = stepWith({ after: backlog(100, 1_000) });
    expect(step.status).toBe('failed');
    expect(step.reason).toBe('100 locked or changed by other sessions meanwhile');
  });

  it('is partial, never a success, when all that is left is still needed', () => {
    const totals = { ...noTotals, rowsBlocked: 100, blockedBy: { 'k on public.c': 100 } };
    const step = stepWith({ totals, after: backlog(100, 1_000) });
    expect(step.status).toBe('partial');
    expect(step.reason).toBe('100 still needed by rows that stay');
  });

  it('says that time ran out, with what is expected to be left', () => {
    const totals = { ...noTotals, rowsPurged: 40 };
    const step = stepWith({ totals, outOfTime: true, after: undefined });
    expect(step).toMatchObject({ status: 'partial', rowsLeft: 60, rowsLeftExact: false });
    expect(step.reason).toBe(
      'time ran out, with at most 60 due rows not looked at; the next run goes on from here',
    );
  });

  it('says of a dry run that time ran out, and promises no run that goes on from there', () => {
    const totals = { ...noTotals, rowsPurged: 40, rowsUndecided: 10 };
    const results = { totals, before: backlog(100, 1_000), outOfTime: true };
    const step = stepOf(policy('public.t'), results, { dryRun: true });
    expect(step).toMatchObject({
      status: 'partial',
      reason: 'time ran out, with at most 50 due rows not looked at; the next dry run begins anew',
    });
    expect(step.fixes.map(({ fix }) => fix).join()).not.toMatch(/goes on from here/);
  });

  it.each([
    [false, 'stopped with Ctrl-C; the next run goes on from here'],
    [true, 'stopped with Ctrl-C; the next dry run begins anew'],
  ])('says where the next one begins when it was stopped (dry: %s)', (dryRun, reason) => {
    const results = { totals: noTotals, outOfTime: true, stopped: 'stopped with Ctrl-C' };
    expect(stepOf(policy('public.t'), results, { dryRun })).toMatchObject({ reason });
  });

  it.each<[string, Partial<TableResults>]>([
    ['others hold rows', { after: backlog(3, 900) }],
    ['time ran out', { outOfTime: true, after: undefined }],
    ['what is left was not counted', { after: undefined }],
    ['rows refer', { totals: { ...noTotals, rowsBlocked: 3, blockedBy: { 'k on c': 3 } } }],
    ['a trigger refuses', { totals: { ...noTotals, rowsRefused: 3, refusedBy: { 't on c': 3 } } }],
    ['rows are undecided', { totals: { ...noTotals, rowsUndecided: 3 } }],
    ['an error has no hint', { error: new NightshiftError('XX000', 'purge_batch failed') }],
  ])('says what to do when %s', (_, results) => {
    const step = stepWith({ after: backlog(3, 900), ...results });
    expect(step.status).not.toBe('succeeded');
    expect(step.fixes).toHaveLength(1);
  });

  it('has the fix of each key, and of one that the run leaves out another', () => {
    const key = { key: 'k on c', table: 'c', fix: 'select 1;', leftOut: false };
    const totals = { ...noTotals, rowsBlocked: 3, blockedBy: { 'k on c': 3 } };
    const fixesWith = (leftOut: boolean) =>
      stepOf(
        policy('public.t'),
        {
          totals,
          outOfTime: false,
          before: backlog(3, 9, [{ ...key, leftOut }]),
          after: backlog(3, 9),
        },
        { dryRun: false },
      ).fixes;
    expect(fixesWith(false)).toEqual([{ subject: 'k on c', fix: 'select 1;' }]);
    expect(fixesWith(true)[0]?.fix).toMatch(/Let the run have c as well/);
  });

  it('carries its error and no row contents', () => {
    const error = new NightshiftError('NS422', 'no such column', { hint: 'fix' });
    expect(stepWith({ error })).toMatchObject({
      status: 'failed',
      error: { code: 'NS422', hint: 'fix' },
    });
  });
});

describe('a run', () => {
  const step = (status: 'succeeded' | 'partial' | 'failed') => ({
    ...stepOf(policy('t'), { totals: noTotals, outOfTime: false }, { dryRun: true }),
    status,
  });

  it('continues only when time ran out after some progress', () => {
    expect(runStatus([step('partial')], { outOfTime: true, progressed: true })).toBe('continued');
    expect(runStatus([step('failed')], { outOfTime: true, progressed: false })).toBe('failed');
  });

  it('is as good as its steps', () => {
    expect(runStatus([], { outOfTime: false, progressed: false })).toBe('succeeded');
    expect(
      runStatus([step('succeeded'), step('failed')], { outOfTime: false, progressed: true }),
    ).toBe('partial');
    expect(runStatus([step('failed')], { outOfTime: false, progressed: true })).toBe('failed');
  });
});
