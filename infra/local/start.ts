import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import getPort from 'get-port';
import { exampleSeeds, fillExamples } from './examples.ts';
import { startStack } from './stack.ts';
import { heading, note } from './ui.ts';

/** Read by the command line, so that it finds the running stack; removed again at the end. */
const environmentFile = new URL('../../.env.local', import.meta.url);
const size = { users: 200, packages: 20_000, metrics: 50_000, products: 500 };

heading('Nightshift on this machine');
note('Booting Postgres, the Supabase gateway and the functions ...');
const stack = await startStack({ seeds: exampleSeeds });
await fillExamples(stack.databaseUrl, size);

const token = randomBytes(24).toString('base64url');
const httpPort = await getPort({ host: '127.0.0.1', port: 3000 });
const settings = {
  SUPABASE_URL: stack.gatewayUrl,
  SUPABASE_SECRET_KEY: stack.secretKey,
  NIGHTSHIFT_DATABASE_URL: stack.databaseUrl,
  NIGHTSHIFT_HTTP_TOKEN: token,
};
writeFileSync(
  environmentFile,
  Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join(''),
  { mode: 0o600 },
);
process.on('exit', () => rmSync(environmentFile, { force: true }));

const functions = spawn(
  process.execPath,
  [
    createRequire(import.meta.url).resolve('osls/bin/serverless.js'),
    'offline',
    '--stage',
    'local',
    '--param',
    'direct=local',
    '--httpPort',
    `${httpPort}`,
    '--lambdaPort',
    `${await getPort({ host: '127.0.0.1' })}`,
  ],
  { env: { ...process.env, ...settings }, stdio: ['ignore', 'inherit', 'pipe'], detached: true },
);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => functions.kill('SIGINT'));
}
const ended = once(functions, 'exit');
await Promise.race([ready(), ended]);
if (functions.exitCode === null) {
  console.log(`
  Data API   ${stack.gatewayUrl}
  Postgres   ${stack.databaseUrl}
  Functions  http://127.0.0.1:${httpPort}

In another terminal:
  npm run nightshift -- health
  npm run nightshift -- status
  npm run nightshift -- policies
  npm run nightshift -- run retention-purge --dry-run
  npm run nightshift -- run retention-purge
  npm run nightshift -- plan view-refresh
  npm run nightshift -- run view-refresh
  npm run nightshift -- plan partition-maintenance
  npm run nightshift -- run partition-maintenance
  curl http://127.0.0.1:${httpPort}/health
  set -a; . ./.env.local; curl -X POST http://127.0.0.1:${httpPort}/jobs/retention-purge/runs -H "authorization: Bearer $NIGHTSHIFT_HTTP_TOKEN" -d '{"dryRun": true}'

Schedules run as in serverless.yml. Ctrl-C stops everything and forgets the data.`);
}
await ended;
await stack.stop();
note('Stopped; the data is forgotten.');

/** serverless-offline says on stderr that it listens; all it says is passed on. */
function ready(): Promise<void> {
  return new Promise((resolve) => {
    functions.stderr.on('data', (chunk: Buffer) => {
      process.stderr.write(chunk);
      if (chunk.includes('Server ready')) resolve();
    });
  });
}
