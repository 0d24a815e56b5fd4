import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setUpDatabase } from '../support/database.ts';
import { root } from '../support/documents.ts';
import { packed } from '../support/shared.ts';

const run = promisify(execFile);
/** Without supabase-js, which the application has. */
const maxBundleBytes = 10_000;

const db = setUpDatabase();
let directory: string;
let application: string;
beforeAll(async () => {
  await db.sql.unsafe(`
    create table public.parcels (id bigint primary key);
    insert into public.parcels select generate_series(1, 2500);
    grant select, update on public.parcels to service_role;
    select nightshift.enable_soft_delete('public.parcels');
  `);
  directory = await mkdtemp(join(tmpdir(), 'nightshift-client-'));
  const { tarball } = await packed();

  application = join(directory, 'application');
  const installed = join(application, 'node_modules');
  await mkdir(join(installed, 'nightshift'), { recursive: true });
  await run('tar', [
    ...['-xzf', tarball],
    ...['-C', join(installed, 'nightshift'), '--strip-components=1'],
  ]);
  await symlink(join(root, 'node_modules/@supabase'), join(installed, '@supabase'));
  await writeFile(join(application, 'package.json'), '{ "type": "module" }');
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const write = async (name: string, text: string) => {
  await writeFile(join(application, name), text);
  return join(application, name);
};

describe('the client that npm pack ships', () => {
  it('has types that an application compiles with', async () => {
    const file = await write(
      'typed.ts',
      `import type { SupabaseClient } from '@supabase/supabase-js';
      import { type Deletion, softDelete } from 'nightshift/client';
      type Row = { id: string; name: string };
      type Table = { Row: Row; Insert: Row; Update: Row; Relationships: [] };
      type Database = { public: { Tables: { tags: Table }; Views: {}; Functions: {} } };
      declare const client: SupabaseClient<Database>;
      export const deletion: Promise<Deletion> = softDelete(client, 'tags', 'a');
      // @ts-expect-error The key is a text.
      softDelete(client, 'tags', 1);`,
    );
    const options = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--lib',
      'es2024,dom',
      '--skipLibCheck',
    ];
    const compiler = join(root, 'node_modules/.bin/tsc');
    const { stdout } = await run(compiler, [...options, file], { cwd: application }).catch(
      (error) => error,
    );
    expect(stdout).toBe('');
  });

  it('is small in a browser, and needs nothing of Node', async () => {
    const file = await write('browser.js', `export * from 'nightshift/client';`);
    const { outputFiles, metafile } = await build({
      entryPoints: [file],
      bundle: true,
      minify: true,
      platform: 'browser',
      format: 'esm',
      metafile: true,
      write: false,
    });
    const imports = Object.values(metafile.inputs).flatMap(({ imports }) => imports);
    expect(imports.filter(({ external }) => external)).toEqual([]);
    expect(Object.keys(metafile.inputs).filter((path) => path.includes('@supabase'))).toEqual([]);
    expect(outputFiles[0]?.contents.length).toBeLessThan(maxBundleBytes);
  });

  it.each([
    ['Node', process.execPath, []],
    [
      'Deno',
      join(root, 'node_modules/.bin/deno'),
      ['run', '--no-lock', '--allow-net=127.0.0.1', '--allow-env'],
    ],
  ])('deletes and restores under %s', async (_, runtime, options) => {
    const { url, secretKey } = await db.gateway();
    const file = await write(
      'application.js',
      `import { createClient } from '@supabase/supabase-js';
      import { restoreOperation, softDelete } from 'nightshift/client';
      async function* keys() {
        for (let key = 1; key <= 2_600; key++) yield key;
      }
      const client = createClient(${JSON.stringify(url)}, ${JSON.stringify(secretKey)}, {
        auth: { persistSession: false, autoRefreshToken: false },
      });
      const { operation, deleted, notFound } = await softDelete(client, 'parcels', keys());
      const { restored } = await restoreOperation(client, operation);
      console.log(JSON.stringify({ deleted, notFound, restored }));`,
    );
    const { stdout } = await run(runtime, [...options, file], { cwd: application });
    expect(JSON.parse(stdout)).toEqual({
      deleted: 2_500,
      notFound: 100,
      restored: { 'public.parcels': 2_500 },
    });
  });
});
