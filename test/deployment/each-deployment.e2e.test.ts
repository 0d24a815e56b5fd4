import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jobNames } from '../../functions/registry.ts';
import { LocalAws } from '../support/aws.ts';
import { copyCheckout } from '../support/checkout.ts';
import { roomForTheYoung } from '../support/packaging.ts';

const osls = createRequire(import.meta.url).resolve('osls/bin/serverless.js');
const aws = new LocalAws();
/** Without a direct connection. */
const jobsWithoutDirect = jobNames.filter((name) => name !== 'table-vacuum');
const permissionsBoundary = 'arn:aws:iam::123456789012:policy/boundary';
let directory: string;
let environment: Record<string, string>;

beforeAll(async () => {
  environment = await aws.listen();
  directory = await mkdtemp(join(tmpdir(), 'nightshift-deploy-'));
  await copyCheckout(directory);
  await changeSources('serverless.yml', (text) =>
    text.replace(
      '\nprovider:\n',
      `$&  tags: { team: night }\n  iam: { role: { permissionsBoundary: "${permissionsBoundary}" } }\n`,
    ),
  );
  await deploy();
});
afterAll(async () => {
  await aws.close();
  await rm(directory, { recursive: true, force: true });
});

/** What osls said. */
async function deploy(...args: string[]): Promise<string> {
  const { AWS_PROFILE, ...env } = process.env;
  const command = [
    roomForTheYoung,
    osls,
    'deploy',
    ...args,
    '--stage',
    'prod',
    '--param',
    'key=runner',
  ];
  const options = { cwd: directory, env: { ...env, ...environment } };
  const run = promisify(execFile)(process.execPath, command, options);
  const { stdout, stderr } = await run.catch((failed) => {
    throw new Error(failed.stdout + failed.stderr);
  });
  return stdout + stderr;
}

/** Returns what undoes it. */
async function changeSources(path: string, change: (text: string) => string) {
  const file = join(directory, path);
  const before = await readFile(file, 'utf8');
  await writeFile(file, change(before));
  return () => writeFile(file, before);
}

const withAnotherLine = (text: string) => `${text}\nconsole.log('another');\n`;

/** Of each function, what is to be as the sources say. */
function deployed() {
  const states = [...aws.functions].map(
    ([
      name,
      {
        codeSha256,
        properties: { Timeout },
      },
    ]) => [name, { codeSha256, Timeout }],
  );
  return Object.fromEntries(states);
}

describe('a full deployment brings every function to what the sources say', () => {
  it('also one that was deployed alone since', async () => {
    const before = deployed();
    expect(Object.keys(before)).toHaveLength(jobsWithoutDirect.length);

    const undo = [
      await changeSources('functions/view-refresh/handler.ts', withAnotherLine),
      await changeSources('functions/view-refresh/function.yml', (text) =>
        text.replace('timeout: 900', 'timeout: 800'),
      ),
    ];
    await deploy('function', '--function', 'view-refresh');
    const tried = deployed()['nightshift-prod-view-refresh'];
    expect(tried.codeSha256).not.toBe(before['nightshift-prod-view-refresh'].codeSha256);
    // Its code alone, and no other function.
    const { Timeout } = before['nightshift-prod-view-refresh'];
    expect(tried.Timeout).toBe(Timeout);
    expect(deployed()).toEqual({ ...before, 'nightshift-prod-view-refresh': tried });

    for (const each of undo) await each();
    await deploy();
    expect(deployed()).toEqual(before);
  });

  it('also when CloudFormation took the last one back', async () => {
    const before = deployed();
    await changeSources('functions/_shared/log.ts', withAnotherLine);
    await deploy();
    const after = deployed();
    for (const name of Object.keys(before)) expect(after[name]).not.toEqual(before[name]);

    aws.takeBack();
    expect(deployed()).toEqual(before);
    await deploy();
    expect(deployed()).toEqual(after);
  });
});

it('gives every role the permissions boundary and the tags of the provider', () => {
  // Of each function, and of the schedules.
  expect(aws.roles).toHaveLength(jobsWithoutDirect.length + 1);
  for (const { Properties } of aws.roles) {
    expect(Properties).toMatchObject({
      PermissionsBoundary: permissionsBoundary,
      Tags: [{ Key: 'team', Value: 'night' }],
    });
  }
});
