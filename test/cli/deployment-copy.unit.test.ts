import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyDeployment } from '../../cli/installation/deployment.ts';
import { version } from '../../functions/_shared/version.ts';
import { jobNames } from '../../functions/registry.ts';

let folder: string;
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'nightshift-deployment-')), 'nightshift');
});
afterEach(() => rm(join(folder, '..'), { recursive: true }));

const read = (path: string) => readFile(join(folder, path), 'utf8');
const write = (path: string, text: string) => writeFile(join(folder, path), text);
const append = async (path: string, text: string) => write(path, `${await read(path)}${text}`);

/** As a copy of an older release would have left the folder, which had these files as they are there now. */
async function recordAsOlder(paths: readonly string[], older = '0.0.9') {
  const record = JSON.parse(await read('nightshift.json'));
  for (const path of paths) {
    record.files[path] = createHash('sha256')
      .update(await read(path))
      .digest('hex');
  }
  await write('nightshift.json', JSON.stringify({ ...record, version: older }));
}

describe('deployment copy', () => {
  it('writes a deployment into a folder that was not there, and changes nothing the second time', async () => {
    const { written, removed, toMerge } = await copyDeployment(folder);
    expect(written).toEqual(
      expect.arrayContaining([
        ...['package.json', 'serverless.yml', 'infra/aws/alarms.yml', 'infra/aws/each-job.ts'],
        ...jobNames.flatMap((job) =>
          ['function.yml', 'handler.ts', 'job.ts'].map((file) => `functions/${job}/${file}`),
        ),
      ]),
    );
    expect(written).not.toContain('functions/retention-purge/edge.ts');
    expect([removed, toMerge]).toEqual([[], []]);
    expect(JSON.parse(await read('package.json'))).toMatchObject({ version, private: true });
    expect(await read('serverless.yml')).not.toContain('- serverless-offline');
    const record = await read('nightshift.json');
    expect(JSON.parse(record)).toMatchObject({ version });

    expect(await copyDeployment(folder)).toEqual({ written: [], removed: [], toMerge: [] });
    expect(await read('nightshift.json')).toBe(record);
  });

  it('asks for exact versions of all that the files import', async () => {
    const { written } = await copyDeployment(folder);
    const { dependencies, overrides } = JSON.parse(await read('package.json'));
    for (const [name, exact] of Object.entries(dependencies)) {
      expect(exact, name).toMatch(/^\d+\.\d+\.\d+/);
    }
    expect(overrides).toEqual({ serverless: `npm:osls@${dependencies.osls}` });
    for (const path of written.filter((each) => each.endsWith('.ts'))) {
      const text = await read(path);
      // Of hono/html the first part, of a package with a scope the first two.
      const imports = /^import (?!type)[^;]* from '((?:@[^/']+\/)?[^./'][^/']*)[^']*';$/gm;
      for (const [, name = ''] of text.matchAll(imports)) {
        if (!name.startsWith('node:')) expect(dependencies, path).toHaveProperty([name]);
      }
    }
  });

  it('keeps a serverless.yml with parameters of the team, and has nothing to say of it', async () => {
    await copyDeployment(folder);
    await append('serverless.yml', '# mine\n');
    const mine = await read('serverless.yml');
    expect(await copyDeployment(folder)).toEqual({ written: [], removed: [], toMerge: [] });
    expect(await read('serverless.yml')).toBe(mine);
  });

  it('writes what changed in serverless.yml since beside that of the team, once', async () => {
    await copyDeployment(folder);
    const ours = await read('serverless.yml');
    await append('serverless.yml', '# of 0.0.9\n');
    await recordAsOlder(['serverless.yml']);
    await append('serverless.yml', '# mine\n');
    const mine = await read('serverless.yml');
    const beside = `serverless.${version}.yml`;
    expect(await copyDeployment(folder)).toEqual({
      written: [],
      removed: [],
      toMerge: [{ file: 'serverless.yml', ours: beside }],
    });
    expect(await read('serverless.yml')).toBe(mine);
    expect(await read(beside)).toBe(ours);
    expect(await copyDeployment(folder)).toMatchObject({ toMerge: [] });
  });

  it('replaces the files of an older copy, and removes those that are no more', async () => {
    await copyDeployment(folder);
    const files = ['serverless.yml', 'functions/retention-purge/purge.ts'];
    const ours = await Promise.all(files.map(read));
    await mkdir(join(folder, 'functions/old-job'));
    await write('functions/old-job/job.ts', '');
    for (const file of files) await append(file, '# of 0.0.9\n');
    await recordAsOlder([...files, 'functions/old-job/job.ts']);
    expect(await copyDeployment(folder)).toEqual({
      written: expect.arrayContaining(files),
      removed: ['functions/old-job/job.ts'],
      toMerge: [],
    });
    expect(await Promise.all(files.map(read))).toEqual(ours);
    await expect(read('functions/old-job/job.ts')).rejects.toThrow('ENOENT');
  });

  it('takes the ends of lines that Git writes on Windows for no change', async () => {
    await copyDeployment(folder);
    const file = 'functions/retention-purge/purge.ts';
    await write(file, (await read(file)).replaceAll('\n', '\r\n'));
    expect(await copyDeployment(folder)).toMatchObject({ written: [] });
  });

  it('completes a copy that broke off', async () => {
    await copyDeployment(folder);
    await rm(join(folder, 'nightshift.json'));
    await rm(join(folder, 'infra'), { recursive: true });
    const { written } = await copyDeployment(folder);
    expect(written).toContain('infra/aws/each-job.ts');
    expect(written.every((path) => path.startsWith('infra/'))).toBe(true);
  });
});

describe('deployment copy writes nothing, and says the fix,', () => {
  it('when code was changed', async () => {
    await copyDeployment(folder);
    const file = 'functions/retention-purge/purge.ts';
    await append(file, '// mine\n');
    await rm(join(folder, 'serverless.yml'));
    await expect(copyDeployment(folder)).rejects.toMatchObject({
      code: 'NS409',
      detail: `${file}. Nothing was written.`,
      hint: expect.stringContaining('deploy from a clone'),
    });
    await expect(read('serverless.yml')).rejects.toThrow('ENOENT');
    expect(await read(file)).toContain('// mine');
  });

  it('when a file that the release no longer has was changed', async () => {
    await copyDeployment(folder);
    await write('functions/old.ts', 'of 0.0.9');
    await recordAsOlder(['functions/old.ts']);
    await write('functions/old.ts', '');
    await expect(copyDeployment(folder)).rejects.toMatchObject({
      detail: 'functions/old.ts. Nothing was written.',
    });
    expect(await read('functions/old.ts')).toBe('');
  });

  it('when the folder has a package.json of the application', async () => {
    await mkdir(folder);
    await write('package.json', '{}');
    await expect(copyDeployment(folder)).rejects.toMatchObject({
      code: 'NS409',
      message: expect.stringContaining('has files that no copy of Nightshift has written'),
      detail: 'package.json. Nothing was written.',
      hint: expect.stringContaining('a folder of its own'),
    });
    expect(await read('package.json')).toBe('{}');
    await expect(read('serverless.yml')).rejects.toThrow('ENOENT');
  });

  it('when the copy there is of a newer release', async () => {
    await copyDeployment(folder);
    await recordAsOlder([], '99.0.0');
    await expect(copyDeployment(folder)).rejects.toMatchObject({
      code: 'NS409',
      message: expect.stringContaining('99.0.0, which is newer'),
    });
  });

  it('when nobody can tell what the copy there wrote', async () => {
    await copyDeployment(folder);
    const outside = '{"version": "0.1.0", "files": {"functions/../../mine.ts": "a"}}';
    for (const text of ['{', '{}', '{"version": "0.1.0", "files": {"a": 1}}', outside]) {
      await write('nightshift.json', text);
      await expect(copyDeployment(folder)).rejects.toMatchObject({ code: 'NS422' });
    }
  });

  it('when the folder is a file', async () => {
    await writeFile(folder, '');
    await expect(copyDeployment(folder)).rejects.toMatchObject({ code: 'NS404' });
  });
});
