import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Cron } from 'croner';
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import { version } from '../../functions/_shared/version.ts';
import { jobNames } from '../../functions/registry.ts';
import { writeFunctions } from '../../infra/edge/functions.ts';
import { deploymentFiles } from '../../infra/package/deployment.ts';
import type { Ended } from '../support/command-line.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { root } from '../support/documents.ts';
import { packageIn } from '../support/packaging.ts';
import type { Packed } from '../support/packed.ts';
import { folderOfRelease } from '../support/releases.ts';
import { idsOf, range } from '../support/rows.ts';
import * as shared from '../support/shared.ts';
import { withAllSwitches } from '../support/template.ts';

/** What `npx` fetches before it can do anything; the sources of the deployment to AWS are an eighth of it. */
const maxBytes = 1_400_000;

/** The Node of the machine, as whoever installs the package has it, and not the one that comes with a clone. */
const PATH = (process.env.PATH ?? '')
  .split(delimiter)
  .filter((folder) => !folder.includes('node_modules'))
  .join(delimiter);

let db: TestDatabase;
let directory: string;
let packed: Packed;
let application: string;
let project: Record<string, string>;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nightshift-package-'));
  [db, packed] = await Promise.all([createDatabase(), shared.packed()]);
  application = join(directory, 'application');
  await mkdir(join(application, 'supabase/migrations'), { recursive: true });
  await writeFile(join(application, 'package.json'), '{"private": true}');
  const { code, stderr } = await call('npm', ['install', '--save-dev', packed.tarball]);
  expect(code, stderr).toBe(0);
  const { url, secretKey } = await db.gateway();
  project = { SUPABASE_URL: url, SUPABASE_SECRET_KEY: secretKey };
});
afterAll(() => Promise.all([db.drop(), rm(directory, { recursive: true })]));

/** In the application, without a network beyond this machine. */
async function call(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Ended> {
  const options = {
    cwd: application,
    env: { PATH, HOME: directory, NO_COLOR: '1', npm_config_offline: 'true', ...env },
    maxBuffer: 10_000_000,
  };
  return promisify(execFile)(command, args, options).then(
    (output) => ({ ...output, code: 0 }),
    ({ stdout, stderr, code }) => ({ stdout, stderr, code }),
  );
}

const npx = (args: readonly string[]) => call('npx', ['nightshift', ...args]);

/** What `npx nightshift` starts, without the second that npm takes. */
const nightshift = (args: readonly string[], env?: Record<string, string>) =>
  call(join(application, 'node_modules/.bin/nightshift'), args, env);

const installed = (...path: string[]) => join(application, 'node_modules/nightshift', ...path);

describe('what npm pack packs', () => {
  it('is the command line, the client, the functions, the deployment, the migration, and what npm adds', async () => {
    const client = (await readdir(join(root, 'client')))
      .filter((name) => name.endsWith('.ts'))
      .flatMap((name) => [name.replace(/\.ts$/, '.d.ts'), name.replace(/\.ts$/, '.js')]);
    const functions = jobNames.flatMap((job) => [
      `nightshift-${job}/deno.json`,
      `nightshift-${job}/index.ts`,
    ]);
    const migrations = await readdir(join(root, 'supabase/migrations'));
    expect(packed.files.map(({ path }) => path).toSorted()).toEqual(
      [
        ...['LICENSE', 'README.md', 'package.json'],
        ...['bin.js', 'main.js'].map((name) => `dist/cli/${name}`),
        ...client.map((name) => `dist/client/${name}`),
        ...[...(await deploymentFiles()).keys()].map((name) => `dist/deployment/${name}`),
        ...functions.map((name) => `dist/functions/${name}`),
        'dist/THIRD-PARTY.txt',
        ...['Dockerfile', 'github-actions.yml'].map((name) => `infra/cron/${name}`),
        ...migrations.map((name) => `supabase/migrations/${name}`),
      ].toSorted(),
    );
    expect(packed.bytes).toBeLessThan(maxBytes);
  });

  it('has no path of the machine that packed it, no map to sources, and starts everywhere', async () => {
    for (const { path, mode } of packed.files) {
      const text = await readFile(installed(path), 'utf8');
      expect(text, path).not.toMatch(/sourceMappingURL/);
      expect(text.includes(root) || text.includes(root.slice(1)), path).toBe(false);
      expect(text.includes(dirname(packed.tarball)), path).toBe(false);
      if (path === 'dist/cli/bin.js') {
        expect(text).toMatch(/^#!\/usr\/bin\/env node\n/);
        expect(mode & 0o111).toBe(0o111);
      }
    }
  });

  it('needs nothing else, and runs nothing when it is installed', async () => {
    const { dependencies, scripts } = JSON.parse(await readFile(installed('package.json'), 'utf8'));
    expect(dependencies).toBeUndefined();
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) {
      expect(scripts).not.toHaveProperty(name);
    }
    expect(await readdir(join(application, 'node_modules'))).toEqual(
      expect.not.arrayContaining(['commander', 'zod', '@supabase']),
    );
  });

  it('passes on the license of each package that is in it', async () => {
    const notices = await readFile(installed('dist/THIRD-PARTY.txt'), 'utf8');
    const code = await readFile(installed('dist/cli/main.js'), 'utf8');
    const named = [...code.matchAll(/"node_modules\/((?:@[^/]+\/)?[^/]+)\//g)];
    expect(named.length).toBeGreaterThan(0);
    for (const [, name] of named) expect(notices).toMatch(new RegExp(`^${name} \\d`, 'm'));
    expect(notices).toMatch(/^zod \d[\s\S]*Permission is hereby granted/m);
  });

  it('has the functions that the clone makes', async () => {
    const made = join(directory, 'made');
    await writeFunctions(made);
    await nightshift(['functions', 'copy', '--to', 'supabase']);
    for (const job of jobNames) {
      const file = `functions/nightshift-${job}/index.ts`;
      const copied = await readFile(join(application, 'supabase', file), 'utf8');
      expect(copied).toBe(await readFile(join(made, file), 'utf8'));
      expect(copied).toContain(`Nightshift ${version},`);
    }
  });
});

describe('the deployment to AWS', () => {
  it('is packaged from the copy as from a clone', async () => {
    const copied = await nightshift(['deployment', 'copy', '--to', 'nightshift']);
    expect(copied.code, copied.stderr).toBe(0);
    expect(copied.stdout).toContain(`nightshift has the deployment of ${version} now.`);
    const folder = join(application, 'nightshift');
    // In place of npm install, which would need a network.
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    // As test/deployment/template.e2e.test.ts has it packaged from the clone.
    const wanted = ['staging', 'table-vacuum=on', ...withAllSwitches];
    await packageIn(folder, ...wanted);

    const made = join(folder, '.serverless');
    const fromClone = await shared.packaged(...wanted);
    const template = 'cloudformation-template-update-stack.json';
    const templateIn = async (of: string) =>
      // The keys of the zips begin with the time of packaging.
      (await readFile(join(of, template), 'utf8')).replaceAll(/\d+-[\d-]+T[\d:.]+Z/g, '<time>');
    expect(JSON.parse(await templateIn(made))).toEqual(JSON.parse(await templateIn(fromClone)));
    for (const job of jobNames) {
      const zips = await Promise.all(
        [made, fromClone].map(async (of) => unzipSync(await readFile(join(of, `${job}.zip`)))),
      );
      const name = `functions/${job}/handler.mjs`;
      for (const zip of zips) expect(Object.keys(zip)).toEqual([name]);
      const [ours, others] = zips.map((zip) => Buffer.from(zip[name] ?? []));
      // A difference of so many bytes would take minutes to print.
      expect(others && ours?.equals(others), job).toBe(true);
    }
  });

  it('is not written again, and a serverless.yml of the team stays', async () => {
    const again = () => nightshift(['deployment', 'copy', '--to', 'nightshift']);
    const file = join(application, 'nightshift/serverless.yml');
    await writeFile(file, `${await readFile(file, 'utf8')}# mine\n`);
    expect(await again()).toMatchObject({
      stdout: expect.stringMatching(/already\. Nothing was changed\.\n$/),
      code: 0,
    });
    expect(await readFile(file, 'utf8')).toMatch(/# mine\n$/);
    await writeFile(join(application, 'nightshift/infra/aws/roles.ts'), '');
    const refused = await again();
    expect(refused.stderr).toMatch(
      /were changed since they were copied[\s\S]*infra\/aws\/roles\.ts/,
    );
    expect(refused.code).toBe(1);
  });
});

describe('npx nightshift', () => {
  it('says which release it is, and what else to call as it was called', async () => {
    expect(await npx(['--version'])).toMatchObject({ stdout: `${version}\n`, code: 0 });
    const wrong = await npx(['runn']);
    expect(wrong.stderr).toMatch(/Fix: npx nightshift <command> --help/);
    expect(wrong.code).toBe(2);
    const help = await nightshift(['status', '--help']);
    expect(help.stdout).not.toMatch(/--stage/);
  });

  it('says at once that a Node is too old', async () => {
    const old = `Object.defineProperty(process, 'versions', { value: { node: '18.20.0' } })`;
    const { stderr, code } = await call('node', [
      ...['--import', `data:text/javascript,${encodeURIComponent(old)}`],
      installed('dist/cli/bin.js'),
      '--version',
    ]);
    expect(stderr).toMatch(/^Nightshift needs Node\.js 20\.18 or later, and this is 18\.20\.0\.\n/);
    expect(code).toBe(2);
  });

  it('copies the migration, checks the copy, and prints it', async () => {
    const to = ['--to', 'supabase/migrations'];
    const missing = await nightshift(['migrations', 'check', ...to]);
    expect(missing.stderr).toMatch(
      /no migration of Nightshift[\s\S]*Fix: npx nightshift migrations/,
    );
    expect(missing.code).toBe(1);
    const copied = await nightshift(['migrations', 'copy', ...to]);
    expect(copied.code, copied.stderr).toBe(0);
    const [file = ''] = await readdir(join(application, 'supabase/migrations'));
    const text = await readFile(join(application, 'supabase/migrations', file), 'utf8');
    expect(await nightshift(['migrations', 'check', ...to])).toMatchObject({ code: 0 });
    expect((await nightshift(['migrations', 'print'])).stdout).toBe(text);
    await writeFile(join(application, 'supabase/migrations', file), `${text}-- changed\n`);
    const changed = await nightshift(['migrations', 'check', ...to]);
    expect(changed.stderr).toMatch(/is not .* as it is here[\s\S]*npx nightshift migrate/);
    expect(changed.code).toBe(1);
  });

  it('installs the schema, plans a purge, purges, and finds nothing wrong', async () => {
    await db.sql.unsafe('drop schema nightshift cascade');
    const migrated = await nightshift(['migrate', '--database-url', db.url]);
    expect(migrated.stdout, migrated.stderr).toContain(`Installed ${version}.`);
    await db.sql.unsafe(`
      create table public.logs (id integer primary key, deleted_at timestamptz);
      insert into public.logs
      select n, now() - case when n <= 3 then interval '40 days' else interval '3 days' end
      from generate_series(1, 10) n;
      select nightshift.add_retention_policy('public.logs', '30 days');
    `);
    const dry = await nightshift(['run', 'retention-purge', '--dry-run', '--json'], project);
    expect(JSON.parse(dry.stdout)).toMatchObject({ status: 'succeeded', dryRun: true });

    // npm exec keeps the option for itself, and the purge would be a real one.
    const taken = await call(
      'npm',
      ['exec', 'nightshift', 'run', 'retention-purge', '--dry-run'],
      project,
    );
    expect(taken.stderr).toMatch(/npm took --dry-run for itself[\s\S]*npm exec -- nightshift run/);
    expect(await idsOf(db.sql, 'public.logs')).toEqual(range(1, 10));

    expect(await nightshift(['run', 'retention-purge'], project)).toMatchObject({ code: 0 });
    expect(await idsOf(db.sql, 'public.logs')).toEqual(range(4, 10));

    await db.sql`update nightshift.runs set started_at = started_at - interval '3 days', finished_at = finished_at - interval '3 days'`;
    for (const args of [['health'], ['health', '--json']]) {
      const late = await nightshift(args, project);
      expect(late.stdout).toContain('npx nightshift run retention-purge');
      expect(late.stdout).not.toContain('npm run');
    }
    await db.sql`update nightshift.runs set started_at = started_at + interval '3 days', finished_at = finished_at + interval '3 days'`;

    const doctor = await nightshift(['doctor'], project);
    expect(doctor.stdout).toMatch(new RegExp(`versions +${version} is installed, as it is here`));
    expect(doctor.code).toBe(0);
    const status = await nightshift(['status'], project);
    expect(status.stdout).toMatch(/retention-purge +│ succeeded/);
  });
});

describe('the files of a cron', () => {
  const read = (name: string) => readFile(installed('infra/cron', name), 'utf8');

  it('are a workflow whose commands run a night, in the environment that it gives them', async () => {
    const workflow = z
      .object({
        on: z.object({ schedule: z.tuple([z.object({ cron: z.string() })]) }),
        permissions: z.object({ contents: z.literal('read') }).strict(),
        jobs: z.object({
          night: z.object({
            env: z.record(z.string(), z.string()),
            steps: z.array(z.object({ run: z.string().optional(), uses: z.string().optional() })),
          }),
        }),
      })
      .parse(parse(await read('github-actions.yml')));
    const [{ cron }] = workflow.on.schedule;
    expect(new Cron(cron).nextRun()).not.toBeNull();
    const { env, steps } = workflow.jobs.night;
    // A secret that was not made is empty.
    const given = Object.fromEntries(
      Object.entries(env).map(([name, value]) => {
        expect(value).toBe(`\${{ secrets.${name} }}`);
        return [name, project[name] ?? ''];
      }),
    );
    expect(Object.keys(given)).toEqual(expect.arrayContaining(Object.keys(project)));
    const [before] = await db.sql`select clock_timestamp() as at`;
    const commands = steps.flatMap(({ run }) => run ?? []);
    expect(commands[0]).toBe('npm ci --ignore-scripts');
    for (const [n, command] of commands.entries()) {
      // Past npx once it has found the command line in what npm ci has installed.
      const shorter =
        n > 1 ? command.replace(/^npx (?=nightshift )/, 'node_modules/.bin/') : command;
      // As GitHub runs it.
      const { code, stdout, stderr } = await call('bash', ['-e', '-c', shorter], given);
      expect(code, `${command}\n${stdout}${stderr}`).toBe(0);
    }
    const ran =
      await db.sql`select distinct job from nightshift.runs where started_at > ${before?.at}`;
    expect(ran.map(({ job }) => job).toSorted()).toEqual([...jobNames].toSorted());
  });

  it('are a Dockerfile whose commands end in a command line', async () => {
    const lines = (await read('Dockerfile')).split('\n').filter((line) => /^[A-Z]/.test(line));
    const said = (instruction: string) =>
      lines.find((line) => line.startsWith(`${instruction} `))?.slice(instruction.length + 1) ?? '';
    expect(lines.map((line) => line.split(' ')[0])).toEqual([
      ...['FROM', 'COPY', 'RUN', 'USER', 'ENTRYPOINT', 'CMD'],
    ]);
    expect(said('FROM')).toMatch(/^node:\d+-slim$/);
    const image = await mkdtemp(join(directory, 'image-'));
    const [from = '', to = ''] = said('COPY').split(' ');
    await call('bash', ['-c', `cp ${dirname(packed.tarball)}/${from} ${image}`]);
    const prefix = { npm_config_prefix: join(image, 'usr') };
    await mkdir(join(image, 'usr/lib'), { recursive: true });
    const made = await call('sh', ['-e', '-c', said('RUN').replaceAll(to, `${image}/`)], prefix);
    expect(made.code, made.stderr).toBe(0);
    expect(await readdir(image)).toEqual(['usr']);
    const [command = ''] = JSON.parse(said('ENTRYPOINT'));
    const help = await call(join(image, 'usr/bin', command), JSON.parse(said('CMD')));
    expect(help.stdout).toMatch(/^Usage: nightshift/);
    const dry = await call(
      join(image, 'usr/bin', command),
      ['run', 'retention-purge', '--dry-run'],
      project,
    );
    expect(dry.code, dry.stderr).toBe(0);
  });
});

describe('a schema that the package does not know', () => {
  const record = async (to: string) => {
    const [row] = await db.sql`select * from nightshift.migrations`;
    await db.sql`delete from nightshift.migrations`;
    await db.sql`insert into nightshift.migrations ${db.sql({ ...row, version: to })}`;
  };
  const run = () => nightshift(['run', 'retention-purge'], project);
  const runs = async () => (await db.sql`select from nightshift.runs`).length;

  it('is refused when it is older, and upgraded', async () => {
    await record('0.0.9');
    const before = await runs();
    const { stderr, code } = await run();
    expect(stderr).toMatch(/The database has 0\.0\.9, and this package/);
    expect(stderr).toMatch(/Fix: npx nightshift migrate --database-url/);
    expect(code).toBe(1);
    expect(await runs()).toBe(before);
    const migrated = await nightshift(['migrate', '--database-url', db.url]);
    expect(migrated.stdout).toBe(`Upgraded 0.0.9 to ${version}.\n`);
    await db.sql`delete from nightshift.migrations where version = '0.0.9'`;
    expect(await run()).toMatchObject({ code: 0 });
  });

  it('is worked with when it only adds, and refused when it is of a later line', async () => {
    await record(version.replace(/\d+$/, (patch) => `${Number(patch) + 1}`));
    expect(await run()).toMatchObject({ code: 0 });
    await record('99.0.0');
    const before = await runs();
    const { stderr, code } = await run();
    expect(stderr).toMatch(/The database has 99\.0\.0, which is too new for this package/);
    expect(stderr).toMatch(/Fix: Install the package of that release.*\/nightshift-99\.0\.0\.tgz/);
    expect(code).toBe(1);
    expect(await runs()).toBe(before);
    const back = await nightshift(['migrate', '--database-url', db.url]);
    expect(back.stderr).toMatch(/99\.0\.0 is installed, which is newer than this package/);
    await record(version);
  });

  it('is refused in a folder of migrations, too', async () => {
    const later = await folderOfRelease({ version: '99.0.0' });
    const { stderr, code } = await nightshift(['migrations', 'copy', '--to', later]);
    expect(stderr).toMatch(/is 99\.0\.0, which is newer than this package/);
    expect(code).toBe(1);
    expect(await readdir(later)).toHaveLength(1);
    await rm(later, { recursive: true });
  });
});
