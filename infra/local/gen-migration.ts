import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compareVersions } from '../../cli/installation/release.ts';
import { isoTime, systemClock } from '../../functions/_shared/clock.ts';

const supabase = fileURLToPath(new URL('../../supabase/', import.meta.url));
const command = 'npm run gen:migration';

/** What comes first: the schema and the role that rights are given to. Then tables, which functions are made of. */
const first = ['schema/access/schema.sql', 'schema/access/runner.sql'];
/** Rights come last, when all that they are about is there. */
const last = ['schema/access/rights.sql'];

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
const { version } = JSON.parse(
  await readFile(new URL('../../package.json', import.meta.url), 'utf8'),
);
const text = await compose();
const file = await fileOfRelease();
if (!values.check) {
  await writeFile(join(supabase, 'migrations', file), text);
  console.log(`supabase/migrations/${file}`);
} else if (text !== (await readFile(join(supabase, 'migrations', file), 'utf8').catch(() => ''))) {
  console.error(
    `supabase/migrations/${file} is not what supabase/schema and supabase/changes say. Run: ${command}`,
  );
  process.exitCode = 1;
}

/** One file a release: until the version of package.json moves on, it is written anew under the name that it has. */
async function fileOfRelease(): Promise<string> {
  const suffix = `_nightshift_${version.replaceAll('.', '_')}.sql`;
  const known = (await readdir(join(supabase, 'migrations'))).find((name) => name.endsWith(suffix));
  if (known) return known;
  const timestamp = isoTime(systemClock.nowMs()).replace(/\D/g, '').slice(0, 14);
  return timestamp + suffix;
}

async function compose(): Promise<string> {
  const entries = await readdir(join(supabase, 'schema'), { recursive: true });
  const schema = entries
    .filter((path) => path.endsWith('.sql'))
    .map((path) => `schema/${path}`)
    .sort();
  const rest = schema.filter((path) => ![...first, ...last].includes(path));
  const isTables = (path: string) => path.endsWith('/tables.sql');
  // Jobs and checks declare themselves by calling a function, so they come after all others.
  const isDeclared = (path: string) =>
    path.endsWith('/job.sql') || path.startsWith('schema/health/checks/');
  // Of all releases: a file brings any earlier one to this, so that nobody has to apply those between.
  const changes = (await readdir(join(supabase, 'changes')))
    .sort((one, other) => compareVersions(one.slice(0, -4), other.slice(0, -4)))
    .map((file) => `changes/${file}`);
  const order = [
    ...first,
    ...changes,
    ...rest.filter(isTables),
    ...rest.filter((path) => !isTables(path) && !isDeclared(path)),
    ...rest.filter(isDeclared),
    ...last,
  ];
  const parts = await Promise.all(
    order.map(
      async (path) => `-- supabase/${path}\n\n${await readFile(join(supabase, path), 'utf8')}`,
    ),
  );
  const body = [header(), ...parts].join('\n');
  const made = await Promise.all(schema.map((path) => readFile(join(supabase, path), 'utf8')));
  const checksum = createHash('sha256').update(body).digest('hex');
  return `${body}\n${record(checksum, namesMadeBy(made.join('\n')))}`;
}

function namesMadeBy(text: string): string[] {
  const made =
    /create (?:or replace function|(?:table|sequence) if not exists|type) nightshift\.(\w+)/g;
  return [...new Set([...text.matchAll(made)].map(([, name = '']) => name))].sort();
}

function header(): string {
  return `-- Nightshift ${version}
-- Generated from supabase/changes and supabase/schema by \`${command}\`. Do not edit.
-- It may be applied again: what is there already stays, and functions and rights are set anew.

-- In any other schema of the search path, anyone may have made a function or an operator that fits better.
select pg_catalog.set_config('nightshift.search_path', pg_catalog.current_setting('search_path'), false);
set search_path = pg_catalog, pg_temp;

do $$
declare
  owner name := (
    select pg_get_userbyid(n.nspowner) from pg_catalog.pg_namespace n
    where n.nspname = 'nightshift' and not pg_has_role(n.nspowner, 'member')
  );
  newer text;
begin
  if owner is not null then
    raise exception using
      errcode = 'NS422',
      message = format('The schema nightshift belongs to %I, whose rights %I does not have', owner, current_user),
      detail = 'Nothing was changed.',
      hint = format('Apply this as %I. If you have not made the schema, look at what is in it first.', owner);
  end if;
  if to_regclass('nightshift.migrations') is not null then
    execute $query$
      select m.version from nightshift.migrations m
      where string_to_array(m.version, '.')::integer[] > string_to_array($1, '.')::integer[]
      order by string_to_array(m.version, '.')::integer[] desc limit 1
    $query$ into newer using '${version}';
    if newer is not null then
      raise exception using
        errcode = 'NS409',
        message = format('Nightshift %s is installed here, which is newer than ${version}', newer),
        detail = 'Nothing was changed.',
        hint = 'Keep the newer release; if the Supabase CLI is to apply this one, mark it as applied: supabase migration repair --status applied <version>.';
    end if;
  end if;
end;
$$;

-- Functions call each other in any order, and are checked by the tests, when all of them are there.
set check_function_bodies = off;
`;
}

function record(checksum: string, objects: string[]): string {
  const list = objects.join(', ').replaceAll(/(.{1,116}(?:,|$)) ?/g, '  $1\n');
  return `reset check_function_bodies;

insert into nightshift.migrations (version, checksum, objects) values ('${version}', '${checksum}', '{
${list}}')
on conflict (version) do update set checksum = excluded.checksum, objects = excluded.objects, applied_at = now();

select set_config('search_path', current_setting('nightshift.search_path'), false);
`;
}
