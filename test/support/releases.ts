import { readFileSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type postgres from 'postgres';
import { newestRelease } from '../../cli/installation/release.ts';

const oldFile = new URL('../schema/fixtures/before-0.1.0.sql.gz', import.meta.url);

/** The eighty-one migrations of before the first release, as they were. Packed, so that a search finds what is there today. */
export function oldMigrationFiles(): { file: string; text: string }[] {
  const [, ...parts] = gunzipSync(readFileSync(oldFile))
    .toString()
    .split(/^-- file: /m);
  return parts.map((part) => {
    const end = part.indexOf('\n');
    return { file: part.slice(0, end), text: part.slice(end + 1) };
  });
}

/** Applies the first of them, and records them where they were recorded then. */
export async function applyOldMigrations(sql: postgres.Sql, files: number): Promise<void> {
  await sql.unsafe(`
    create schema if not exists supabase_migrations;
    create table if not exists supabase_migrations.schema_migrations (version text primary key, statements text[], name text);
  `);
  for (const { file, text } of oldMigrationFiles().slice(0, files)) {
    await sql.unsafe(text);
    const [, version = '', name = ''] = /^(\d+)_(.*)\.sql$/.exec(file) ?? [];
    await sql`
      insert into supabase_migrations.schema_migrations (version, name, statements)
      values (${version}, ${name}, array[${text}])`;
  }
}

/** A folder with the newest release as if it were another: of a later version, or with another text. */
export async function folderOfRelease(change: {
  version?: string;
  statement?: string;
}): Promise<string> {
  const { file, version, checksum, text } = await newestRelease();
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-release-'));
  const { version: to = version, statement } = change;
  const other = text
    .replaceAll(`'${version}'`, `'${to}'`)
    .replace(`Nightshift ${version}\n`, `Nightshift ${to}\n${statement ?? ''}\n`)
    .replace(checksum, checksum.split('').reverse().join(''));
  await writeFile(
    join(folder, file.replaceAll(version.replaceAll('.', '_'), to.replaceAll('.', '_'))),
    other,
  );
  return folder;
}
