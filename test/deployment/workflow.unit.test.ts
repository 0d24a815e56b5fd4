import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import { versions } from '../support/postgres-major.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

const workflow = z
  .object({
    permissions: z.record(z.string(), z.string()),
    jobs: z.record(
      z.string(),
      z.object({
        strategy: z.object({ matrix: z.record(z.string(), z.array(z.string())) }).optional(),
        steps: z.array(z.object({ run: z.string().optional(), uses: z.string().optional() })),
      }),
    ),
  })
  .parse(parse(read('.github/workflows/nightshift.yml')));

const commandsOf = (job: string) =>
  (workflow.jobs[job]?.steps ?? []).flatMap(({ run }) => run ?? []);

describe('the workflow for adopters', () => {
  it('checks what .ci/run checks, in the same order', () => {
    const ci = read('.ci/run')
      .split('\n')
      .filter((line) => line.startsWith('npm '));
    expect(commandsOf('check')).toEqual(ci);
  });

  it('tests on each version of Postgres that tests can run on', () => {
    expect(workflow.jobs.postgres?.strategy?.matrix.postgres).toEqual(Object.keys(versions));
  });

  it('calls scripts that there are, brings the database up to date first, and deploys the stage', () => {
    const { scripts } = z
      .object({ scripts: z.record(z.string(), z.string()) })
      .parse(JSON.parse(read('package.json')));
    const called = Object.keys(workflow.jobs)
      .flatMap(commandsOf)
      .flatMap((command) => /npm run ([\w:-]+)/.exec(command)?.[1] ?? []);
    for (const name of called) expect(scripts).toHaveProperty(name);
    const [, migrate, deploy] = commandsOf('deploy');
    expect(migrate).toMatch(/migrate --database-url "\$DATABASE_URL"/);
    expect(deploy).toMatch(/osls deploy --stage "\$STAGE"/);
  });

  it('may write nothing by default, and holds no secret', () => {
    expect(workflow.permissions).toEqual({ contents: 'read' });
    expect(read('.github/workflows/nightshift.yml')).not.toMatch(/AKIA|sb_secret_|eyJ/);
  });
});
