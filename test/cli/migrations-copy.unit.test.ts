import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyRelease, requireCopy } from '../../cli/installation/copy.ts';
import { newestRelease } from '../../cli/installation/release.ts';
import { timeMs } from '../../functions/_shared/clock.ts';
import { folderOfRelease, oldMigrationFiles } from '../support/releases.ts';

const at = (time: string) => ({ nowMs: () => timeMs(time) });
const today = at('2027-03-04T05:06:07Z');
const { version, text } = await newestRelease();
const name = `nightshift_${version.replaceAll('.', '_')}.sql`;
const copied = `20270304050607_${name}`;

describe('migrations copy', () => {
  let folder: string;
  const folders: string[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nightshift-copy-'));
    folders.push(folder);
  });
  afterEach(async () => {
    for (const each of folders.splice(0)) await rm(each, { recursive: true });
  });
  const write = (file: string, text = 'select 1;') => writeFile(join(folder, file), text);

  it('writes the newest release under the time of copying, and nothing when it is called again', async () => {
    await write('20250101000000_first.sql');
    expect(await copyRelease(folder, today)).toEqual({ file: copied, written: true, oldFiles: [] });
    expect(await readFile(join(folder, copied), 'utf8')).toBe(text);

    const later = at('2027-05-01T00:00:00Z');
    expect(await copyRelease(folder, later)).toEqual({
      file: copied,
      written: false,
      oldFiles: [],
    });
    expect(await readdir(folder)).toEqual(['20250101000000_first.sql', copied]);
  });

  it('adds a later release, behind what the application made since, and leaves the earlier one', async () => {
    await copyRelease(folder, today);
    await write('20270401000000_mine.sql');
    const releases = await folderOfRelease({ version: '99.0.0' });
    folders.push(releases);
    const { file } = await copyRelease(folder, at('2027-05-01T00:00:00Z'), { releases });
    expect(file).toBe('20270501000000_nightshift_99_0_0.sql');
    expect(await readdir(folder)).toEqual([copied, '20270401000000_mine.sql', file]);
  });

  it('comes after a migration whose version is of a later time than now', async () => {
    await write('20990101000000_mine.sql');
    await write('notes.txt');
    expect((await copyRelease(folder, today)).file).toBe(`20990101000001_${name}`);
  });

  it('leaves a copy alone that was changed, and says so', async () => {
    const { file } = await copyRelease(folder, today);
    await write(file, 'select 2;');
    await expect(copyRelease(folder, today)).rejects.toMatchObject({
      code: 'NS409',
      message: `${copied} is there, and is not ${version} as it is here`,
    });
    expect(await readFile(join(folder, file), 'utf8')).toBe('select 2;');
  });

  it('knows a copy again by what is in it, whatever its name and its ends of lines', async () => {
    const renamed = '20270101000000_add_retention.sql';
    await write(renamed, text.replaceAll('\n', '\r\n'));
    expect(await copyRelease(folder, today)).toMatchObject({ file: renamed, written: false });
    expect(await requireCopy(folder)).toEqual({ file: renamed, version });
    expect(await readdir(folder)).toEqual([renamed]);

    await write(renamed, `${text}-- mine`);
    for (const refuse of [() => copyRelease(folder, today), () => requireCopy(folder)]) {
      await expect(refuse()).rejects.toMatchObject({
        code: 'NS409',
        message: expect.stringMatching(`^${renamed} is there, and is not ${version}`),
      });
    }
  });

  it('leaves a folder alone that has a newer release, and names the fix', async () => {
    const releases = await folderOfRelease({ version: '99.0.0' });
    folders.push(releases);
    const { file } = await copyRelease(folder, today, { releases });
    for (const refuse of [() => copyRelease(folder, today), () => requireCopy(folder)]) {
      await expect(refuse()).rejects.toMatchObject({
        code: 'NS409',
        message: `${file} is 99.0.0, which is newer than this checkout of ${version}`,
        hint: expect.stringContaining('git pull'),
      });
    }
    expect(await readdir(folder)).toEqual([file]);
  });

  it('is asked for by a check where it is missing, or behind', async () => {
    const hint = `npm run nightshift -- migrations copy --to ${folder}`;
    await write('20270101000000_mine.sql');
    await expect(requireCopy(folder)).rejects.toMatchObject({
      message: `There is no migration of Nightshift in ${folder}`,
      hint,
    });
    const { file } = await copyRelease(folder, today);
    expect(await requireCopy(folder)).toEqual({ file, version });
    const releases = await folderOfRelease({ version: '99.0.0' });
    folders.push(releases);
    await expect(requireCopy(folder, { releases })).rejects.toMatchObject({
      message: `${file} is ${version}, and this checkout has 99.0.0`,
      hint,
    });
  });

  it('names the copies of before 0.1.0 that are there', async () => {
    const [{ file = '' } = {}] = oldMigrationFiles();
    await write(file);
    expect((await copyRelease(folder, today)).oldFiles).toEqual([file]);
  });

  it.each([
    ['is not there', () => join(folder, 'nothing')],
    ['is a file', () => join(folder, 'notes.txt')],
  ])('refuses a folder that %s, with the fix', async (_, path) => {
    await write('notes.txt');
    await expect(copyRelease(path(), today)).rejects.toMatchObject({
      code: 'NS404',
      message: `There is no folder ${path()}`,
      hint: expect.stringContaining('--to ../my-app/supabase/migrations'),
    });
    expect(await readdir(folder)).toEqual(['notes.txt']);
  });
});
