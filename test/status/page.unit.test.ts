import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { documentOf, type Page } from '../../functions/_shared/document.ts';
import type { RunDocument } from '../../functions/_shared/ledger.ts';
import { html } from '../../functions/_shared/markup.ts';
import { jobPage } from '../../functions/status/job-page.ts';
import { statusPage, type Viewer } from '../../functions/status/page.ts';
import { runPage } from '../../functions/status/run-page.ts';
import type { Status } from '../../functions/status/schema.ts';
import {
  attack,
  empty,
  failing,
  finding,
  healthy,
  job,
  nowMs,
  partitionsOf,
  poisoned,
  policy,
  runs,
  snapshot,
  view,
} from '../support/status-pages.ts';

const reader: Viewer = { root: '', session: { access: 'read', name: 'Ada' }, canLeave: true };
const steerer: Viewer = { root: '', session: { access: 'steer', name: 'Ada' }, canLeave: true };
const show = (page: Page) => documentOf(page, { nonce: 'n-1' });
const shown = (status: Status, viewer = reader) => show(statusPage(status, viewer));

const run: RunDocument = {
  id: '0a1b2c3d-5d1c-4c0e-9b7a-3f2d1e0c9b8a',
  job: 'retention-purge',
  trigger: 'http',
  dryRun: true,
  status: 'succeeded',
  attempt: 1,
  fence: 7,
  input: { dryRun: true },
  requestedBy: 'Ada: the disk is full',
  startedAt: '2026-11-29T05:10:00Z',
  finishedAt: '2026-11-29T05:11:00Z',
  cancelRequestedAt: null,
  cancelRequestedBy: null,
  progress: {},
  report: {
    dryRun: true,
    rowsPurged: 1204,
    steps: [
      {
        relation: 'app.events',
        status: 'partial',
        rowsPurged: 1204,
        rowsBlocked: 3,
        reason: 'Rows are left because others refer to them.',
        fixes: [
          { subject: 'app.invoices(event_id)', fix: 'create index on app.invoices (event_id);' },
        ],
        warnings: ['The table has no index on its marker.'],
        error: { code: '55P03', message: 'A lock was not to be had in time', hint: 'Try again.' },
      },
    ],
  },
  error: null,
};

describe('text from the database', () => {
  it.each([
    ['the status', () => shown(poisoned(failing()), steerer)],
    ['the status of an empty project', () => shown(poisoned(empty()), steerer)],
    ['a run', () => show(runPage({ ...poisoned(run), status: run.status }, steerer, nowMs))],
    ['a job', () => show(jobPage(attack, attack, steerer))],
    [
      'who looks',
      () => shown(failing(), { ...steerer, session: { access: 'steer', name: attack } }),
    ],
  ])('stays text in %s', (_, page) => {
    const text = page();
    expect(text).toContain(
      '&quot;&gt;&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&#39;&lt;script&gt;',
    );
    expect(text).not.toMatch(/<img|<script>/);
    // Whatever is inside a tag is a quoted attribute: nothing broke out of one.
    for (const [tag] of text.matchAll(/<[a-z][^>]*>/g)) {
      expect(tag).toMatch(/^<[a-z0-9]+( [a-zA-Z-]+(="[^"<>]*")?)*\/?>$/);
    }
  });

  it('is no markup because it says so', () => {
    const sly = { isEscaped: true, toString: '<b>', callbacks: [] } as unknown as string;
    expect(String(html`<p>${sly}</p>`)).not.toContain('<b>');
    expect(String(html`<p>${[sly, '<i>']}</p>`)).toContain('&lt;i&gt;');
  });

  it('stands in no attribute without quotes, in no address with a scheme, in no style and in no script', () => {
    const folders = ['functions/status', 'functions/_shared'];
    const sources = folders.flatMap((folder) =>
      readdirSync(new URL(`../../${folder}/`, import.meta.url))
        .map((name) => readFileSync(new URL(`../../${folder}/${name}`, import.meta.url), 'utf8'))
        .filter((text) => text.includes('html`')),
    );
    expect(sources.length).toBeGreaterThan(8);
    for (const source of sources) {
      expect(source).not.toMatch(/ [a-z-]+=\$\{/);
      // An address begins with the way to the root, and an icon is made here.
      expect(source).not.toMatch(/(href|src|action)="\$\{(?!root\}|rootOf|favicon\()/);
      expect(source).not.toMatch(/ (style|on[a-z]+)="/);
    }
  });
});

describe('the page', () => {
  it('says first whether all is right, and if not what, since when, and what to do', () => {
    const text = shown(failing());
    expect(text).toMatch(/<title>Act now: Retention has stalled.* – Nightshift<\/title>/);
    const verdict = text.slice(text.indexOf('<div class="verdict bad">'), text.indexOf('<nav'));
    expect(verdict).toContain('27 Nov 2026, 02:17 UTC</time> <span class="quiet">(2d 3h ago)');
    expect(verdict).toContain('alter_partition_policy(&#39;app.metrics&#39;, premake =&gt; 3);');
    expect(shown(healthy())).toContain('<h1>Everything is all right</h1>');
    expect(shown(healthy())).not.toContain('What to do');
  });

  it('has a red icon when it is critical, and asks for no other', () => {
    const icon = (status: Status) =>
      /<link rel="icon" href="(data:[^"]+)"/.exec(shown(status))?.[1] ?? '';
    expect(decodeURIComponent(icon(failing()))).toContain('fill="#c81e1e"');
    expect(decodeURIComponent(icon(healthy()))).toContain('fill="#1a7f4b"');
  });

  it('has no button for a job that is not used, and may not be deployed', () => {
    const page = shown(empty(), steerer);
    expect(page).toContain('Run health-check…');
    expect(page).not.toContain('Run table-vacuum…');
  });

  it('says of a dry run what is due, also where there are no figures of it', () => {
    const due = { view: 'app.daily', status: 'due', detail: 'It was never refreshed.' };
    const page = show(
      runPage({ ...run, job: 'view-refresh', report: { steps: [due] } }, reader, nowMs),
    );
    expect(page).toContain('What a run would do: 1 due');
    expect(page).not.toContain('nothing');
  });

  it('shows the indexes that a run has rebuilt', () => {
    const index = {
      index: 'app.orders_pkey',
      table: 'app.orders',
      status: 'rebuilt',
      bytesBefore: 2_097_152,
      bytesAfter: 1_048_576,
    };
    const report = { steps: [], indexes: [index], tablesVacuumed: 0 };
    const page = show(
      runPage({ ...run, job: 'table-vacuum', dryRun: false, report }, reader, nowMs),
    );
    expect(page).toContain('1 indexes rebuilt');
    expect(page).toMatch(/app\.orders_pkey[\s\S]*2\.0 MB before, 1\.0 MB after/);
  });

  it('marks what was estimated', () => {
    const estimated = {
      relation: 'app.events',
      status: 'partial',
      dueRows: 94_114,
      dueRowsExact: false,
      rowsLeft: 9,
      rowsLeftExact: true,
    };
    const page = show(
      runPage({ ...run, dryRun: false, report: { steps: [estimated] } }, reader, nowMs),
    );
    expect(page).toContain('~94,114 due rows, 9 rows left');
  });

  it('says why a run was skipped', () => {
    const report = { reason: 'paused', message: 'Nightshift is paused: moving house.' };
    const page = show(runPage({ ...run, status: 'skipped', report }, reader, nowMs));
    expect(page).toContain('Nightshift is paused: moving house.');
    expect(page).not.toContain('What a run would do');
  });

  it('says what a run had done that has no report because it died', () => {
    const progress = {
      backlogs: { 'app.events': { dueRows: 1204 } },
      steps: { 'app.events': { rowsPurged: 600 } },
    };
    const died: RunDocument = { ...run, status: 'lost', dryRun: false, report: null, progress };
    const page = show(runPage(died, reader, nowMs));
    expect(page).toContain('600 of about 1,204 due rows purged');
    expect(page).not.toContain('Nothing was done');
  });

  it('has no button for whoever only reads', () => {
    expect(shown(failing(), reader)).not.toMatch(/<button(?! class="link">Log out)|class="button"/);
    expect(shown(failing(), steerer)).toContain('Pause all jobs');
    expect(show(runPage(run, reader, nowMs))).not.toContain('Run retention-purge now');
    expect(show(runPage(run, steerer, nowMs))).toContain('Run retention-purge now');
  });

  it('asks for the confirmation of no dry run that is older than an hour or failed, and of no real run', () => {
    const page = (changes: Partial<RunDocument>, atMs = nowMs) =>
      show(runPage({ ...run, ...changes }, steerer, atMs));
    expect(page({}, nowMs + 3_600_000)).not.toContain('name="confirms"');
    expect(page({ status: 'failed' })).not.toContain('name="confirms"');
    expect(page({ dryRun: false })).not.toContain('name="confirms"');
  });

  it('writes times in UTC for people and for programs, whatever the offset that they came with', () => {
    const text = shown(snapshot({ takenAt: '2026-11-29T06:15:00+01:00' }));
    expect(text).toContain(
      '<time datetime="2026-11-29T05:15:00Z">29 Nov 2026, 05:15 UTC</time> <span class="quiet">(2m ago)</span>',
    );
  });

  it('does not say when it counted where nobody has', () => {
    const stalled = policy({ table: 'app.events', verdict: 'stalled', residue: null });
    const page = shown(
      snapshot({ retention: { items: [stalled], total: 1, problem: null, counts: {} } }),
    );
    expect(page).toContain('Looked at <time');
    expect(page).not.toContain('Counted <time');
  });

  it('says that nobody has counted, and never that nothing is left', () => {
    const text = shown(
      snapshot({
        retention: {
          items: [
            policy({
              table: 'app.events',
              verdict: 'unknown',
              sentence: 'What is left could not be counted.',
              residue: null,
            }),
          ],
          total: 1,
          problem: null,
          counts: { unknown: 1 },
        },
      }),
    );
    expect(text).toContain(
      'unknown</span><span class="quiet sentence">What is left could not be counted.',
    );
    expect(text).not.toContain('0 rows');
  });

  it('says why a section is empty that could not be read', () => {
    const problem = 'Statement timeout.';
    const section = { items: [], total: null, problem };
    const text = shown(snapshot({ views: section, partitions: section, jobs: section }));
    expect(text.match(/could not be read\.<\/strong> Statement timeout\./g)).toHaveLength(3);
  });

  it('stays under 100 KB with 500 tables, 200 views and as many findings, and says what it leaves out', () => {
    const many = <Item>(n: number, make: (n: number) => Item) =>
      Array.from({ length: n }, (_, i) => make(i));
    const name = (n: number) => `"a rather long schema name"."and the name of table number ${n}"`;
    const text = shown(
      snapshot({
        ...failing(),
        jobs: {
          items: failing().jobs.items.map((each, seed) =>
            job({ ...each, runs: runs(Array(30).fill('failed'), { seed }) }),
          ),
          total: 5,
          problem: null,
        },
        retention: {
          items: many(500, (n) =>
            policy({
              ...(failing().retention.items[n % 2] ?? {}),
              table: name(n),
              backlog: n < 50 ? (failing().retention.items[0]?.backlog ?? []) : [],
            }),
          ),
          total: 500,
          problem: null,
          counts: { stalled: 500 },
        },
        views: {
          items: many(200, (n) => view({ view: name(n), reads: many(5, name) })),
          total: 200,
          problem: null,
        },
        partitions: { items: many(50, (n) => partitionsOf(name(n))), total: 500, problem: null },
        health: {
          ...failing().health,
          items: many(100, (n) =>
            finding({
              check: 'dead_rows',
              title: 'Dead rows',
              subject: name(n),
              fix: `vacuum ${name(n)};`,
            }),
          ),
          total: 500,
        },
      }),
      steerer,
    );
    expect(Buffer.byteLength(text)).toBeLessThan(100_000);
    expect(text).toMatch(/4\d\d more policies are not shown here/);
    expect(text).toMatch(/1\d\d more views are not shown here/);
  });
});
