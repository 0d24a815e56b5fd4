import { globSync, readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { metricUnits } from '../../functions/_shared/metrics.ts';
import { readSettings, settingNames } from '../../functions/_shared/settings.ts';
import { jobNames, loadJob, registry } from '../../functions/registry.ts';
import { alarmsOf } from '../../infra/aws/alarms.ts';
import { dashboardOf } from '../../infra/aws/dashboard.ts';
import { plain, readPage, root, rowsOf, sectionOf } from '../support/documents.ts';

const sourcesOf = (folder: string) =>
  globSync(`functions/${folder}/*.ts`, { cwd: root })
    .filter((path) => !path.endsWith('metrics.ts'))
    .map((path) => readFileSync(`${root}${path}`, 'utf8'))
    .join('\n');

describe('docs/settings.md', () => {
  const rows = rowsOf(readPage('docs/settings.md'), 'Variable');

  it('has each setting of the functions, and no other', () => {
    expect(rows.map((row) => plain(row.Variable)).sort()).toEqual(settingNames.toSorted());
  });

  it('has their defaults', () => {
    const given = { SUPABASE_URL: 'https://abcd.supabase.co', SUPABASE_SECRET_KEY: 'sb_secret_1' };
    const defaults = { NIGHTSHIFT_HTTP_BUDGET_MS: readSettings(given).httpBudgetMs };
    for (const row of rows) {
      const name = plain(row.Variable);
      const fallback = Object.entries(defaults).find(([of]) => of === name)?.[1];
      expect(plain(row.Default), name).toBe(
        name === 'SUPABASE_URL' ? 'required' : `${fallback ?? ''}`,
      );
    }
  });
});

describe('docs/metrics.md', () => {
  const rows = rowsOf(readPage('docs/metrics.md'), 'Metric');

  it('has each metric with its unit, and no other', () => {
    const documented = Object.fromEntries(rows.map((row) => [row.Metric, row.Unit]));
    expect(documented).toEqual(metricUnits);
  });

  // What nobody reads costs as much as the rest.
  it('says who reads each, and has none that nobody reads', () => {
    const alarms = JSON.stringify(registry.map(alarmsOf)) + readPage('infra/aws/alarms.yml');
    const graphs = dashboardOf(registry).Properties.DashboardBody;
    for (const { Metric: name = '', 'Read by': documented } of rows) {
      const readers = [
        new RegExp(`MetricName"?: ?"?${name}\\b`).test(alarms) ? 'alarms' : [],
        graphs.includes(`"${name}"`) ? 'dashboard' : [],
      ].flat();
      expect(readers, name).not.toHaveLength(0);
      expect(documented, name).toBe(readers.join(', '));
    }
  });

  it('says who writes each', () => {
    const jobs = jobNames.map((job) => [job, sourcesOf(job)] as const);
    const shared = sourcesOf('_shared');
    for (const { Metric: name, 'Written by': documented } of rows) {
      const writer = jobs.find(([, source]) => source.includes(`'${name}'`));
      const forOthers = writer?.[1].includes(`addFor(job, '${name}'`);
      const written = writer ? `${writer[0]}${forOthers ? ', for every job' : ''}` : 'every job';
      expect(documented, name).toBe(written);
      expect(writer !== undefined || shared.includes(`'${name}'`), name).toBe(true);
    }
  });
});

/** The members of the interface of a job whose name ends so: that of its report, or of a step of it. */
function membersOf(job: string, ending: string): string[] | undefined {
  const file = ts.createSourceFile(`${job}.ts`, sourcesOf(job), ts.ScriptTarget.Latest);
  const found = file.statements
    .filter(ts.isInterfaceDeclaration)
    .find(({ name }) => name.text.endsWith(ending));
  return found?.members.map((member) => member.name?.getText(file) ?? '');
}

describe.each(jobNames)('docs/reports.md on %s', (job) => {
  const page = sectionOf(readPage('docs/reports.md'), job);
  it.each([
    ['report', 'Report'],
    ['step', 'Step'],
  ])('has each field of a %s, and no other', (of, ending) => {
    const rows = rowsOf(page, `Field of ${of === 'step' ? 'a step' : 'the report'}`);
    const documented = rows.flatMap((row) => Object.values(row)[0]?.split(', ') ?? []);
    expect(documented.sort()).toEqual((membersOf(job, ending) ?? []).sort());
  });
});

describe.each(jobNames)('docs/runs.md on %s', (name) => {
  it('has each field of its input with its default', async () => {
    const { input } = await loadJob(name);
    if (!(input instanceof z.ZodObject)) throw new Error(`The input of ${name} is no object`);
    const defaults = z.record(z.string(), z.unknown()).parse(input.parse({}));
    // Nothing is rebuilt unless it is named.
    const absent = (field: string) => (field === 'reindex' ? 'none' : 'all');
    const fields = Object.keys(input.shape).map((field) => [
      field,
      `${defaults[field] ?? absent(field)}`,
    ]);
    const rows = rowsOf(readPage('docs/runs.md'), 'Job').filter((row) => row.Job === name);
    expect(rows.map((row) => [row.Field, row.Default])).toEqual(fields);
  });
});
