import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import getPort from 'get-port';
import { exitCodes } from '../../cli/exit-codes.ts';
import { printOnlyText } from '../../cli/printable.ts';
import { paramsIn, schedulesOf } from '../../cli/schedules.ts';
import { heading, note } from '../../cli/ui.ts';
import { systemClock } from '../../functions/_shared/clock.ts';
import { registry } from '../../functions/registry.ts';
import { type BusEvent, startEventBus } from './event-bus.ts';
import { invoke, targetsOf } from './event-targets.ts';
import { fillExamples } from './examples.ts';
import { logInWords } from './function-log.ts';
import { holdCheckout } from './only-one.ts';
import { orLeave, readStartOptions } from './options.ts';
import { fireOnSchedule, type ScheduledEvent } from './scheduler.ts';
import { startStack } from './stack.ts';

printOnlyText();

/** Read by the command line, so that it finds the running stack; removed again at the end. */
const environmentFile = new URL('../../.env.local', import.meta.url);
/** What the functions are built into, and run from. */
const bundles = new URL('../../.esbuild/local', import.meta.url);
const lock = new URL('../../.esbuild/start.lock', import.meta.url);
const stage = 'local';
const options = orLeave(() => readStartOptions(process.argv.slice(2)));

heading('Nightshift on this machine');
const release = orLeave(() => holdCheckout(lock, options.port), exitCodes.failed);
// All others go before it, so that a second one can only begin when nothing is left of this one.
process.on('exit', release);
note('Booting Postgres, the Supabase gateway and the functions ...');
const stack = await startStack({ seeds: options.examples?.seeds ?? [], reloads: true });
if (options.examples) await fillExamples(stack.databaseUrl, options.examples.size);

const busName = `nightshift-${stage}`;
const bus = await startEventBus({ name: busName, onEvent: deliver });
const newToken = () => randomBytes(24).toString('base64url');
const httpPort = await getPort({ host: '127.0.0.1', port: options.port });
const lambdaPort = await getPort({ host: '127.0.0.1' });
const settings = {
  SUPABASE_URL: stack.gatewayUrl,
  SUPABASE_SECRET_KEY: stack.secretKey,
  NIGHTSHIFT_DATABASE_URL: stack.databaseUrl,
  NIGHTSHIFT_HTTP_TOKEN: newToken(),
  NIGHTSHIFT_STATUS_TOKEN: newToken(),
};
writeFileSync(
  environmentFile,
  Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join(''),
  { mode: 0o600 },
);
process.prependListener('exit', () => {
  rmSync(environmentFile, { force: true });
  rmSync(bundles, { recursive: true, force: true });
});

/** For the functions only. The local bus accepts any key that signs what they send. */
const eventSettings = {
  NIGHTSHIFT_EVENT_BUS: busName,
  AWS_ENDPOINT_URL_EVENTBRIDGE: bus.url,
  AWS_ACCESS_KEY_ID: 'local',
  AWS_SECRET_ACCESS_KEY: 'local',
  AWS_PROFILE: undefined,
  // As on AWS, where schedules have a time zone too.
  TZ: 'UTC',
};
const functions = spawn(
  process.execPath,
  [
    createRequire(import.meta.url).resolve('osls/bin/serverless.js'),
    'offline',
    '--stage',
    stage,
    // Ours fire: see fireOnSchedule.
    ...[
      'direct=local',
      'status-token=local',
      'table-vacuum=on',
      ...options.param.filter(isNotSchedules),
      'schedules=off',
    ].flatMap((param) => ['--param', param]),
    '--httpPort',
    `${httpPort}`,
    '--lambdaPort',
    `${lambdaPort}`,
  ],
  {
    env: { ...process.env, ...settings, ...eventSettings },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  },
);
createInterface(functions.stdout).on('line', showLine);
/** What they said at last, for when they end by themselves. */
const lastWords: string[] = [];
// A terminal that is closed sends SIGHUP.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => functions.kill('SIGINT'));
}
// However this process ends, they do not outlive it.
process.prependListener('exit', () => functions.kill('SIGKILL'));
const ended = once(functions, 'exit').then(() => 'ended');
const restoreExample =
  '\n  npm run nightshift -- soft-delete restore public.user_workouts --since 2026-01-01 --dry-run';
if ((await Promise.race([ready(), ended])) !== 'ended') {
  startSchedules();
  console.log(`
  Data API   ${stack.gatewayUrl}
  Postgres   ${stack.databaseUrl}
  Functions  http://127.0.0.1:${httpPort}
  Lambda     http://127.0.0.1:${lambdaPort}, for aws lambda invoke --endpoint-url
  Event bus  ${bus.url}, ${busName}
  Status     http://127.0.0.1:${httpPort}/status, with a token of .env.local

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
  npm run nightshift -- soft-delete inspect
  npm run nightshift -- soft-delete stats${options.examples ? restoreExample : ''}
  curl http://127.0.0.1:${httpPort}/health
  set -a; . ./.env.local; curl http://127.0.0.1:${httpPort}/status.json -H "authorization: Bearer $NIGHTSHIFT_STATUS_TOKEN"
  set -a; . ./.env.local; curl -X POST http://127.0.0.1:${httpPort}/jobs/retention-purge/runs -H "authorization: Bearer $NIGHTSHIFT_HTTP_TOKEN" -d '{"dryRun": true}'

Schedules and rules of the event bus are as in serverless.yml. Each event and each run is a line here; --verbose shows all. Ctrl-C stops everything and forgets the data.`);
}
await ended;
if (functions.exitCode) console.error(lastWords.join(''));
await bus.close();
await stack.stop();
note('Stopped; the data is forgotten.');
process.exitCode = functions.exitCode ?? 1;

/** serverless-offline says on stderr that it listens; all it says is passed on. */
function ready(): Promise<void> {
  return new Promise((resolve) => {
    functions.stderr.on('data', (chunk: Buffer) => {
      if (options.verbose) process.stderr.write(chunk);
      else keepLastWords(`${chunk}`);
      if (chunk.includes('Server ready')) resolve();
    });
  });
}

/** osls says on stdout what it cannot make sense of in serverless.yml. */
function keepLastWords(words: string): void {
  lastWords.push(words);
  lastWords.splice(0, lastWords.length - 20);
}

function deliver(event: BusEvent): void {
  console.log(`Event ${event['detail-type']} ${JSON.stringify(event.detail)}`);
  for (const job of targetsOf(event)) send(job, event, `Event ${event.id} to ${job}`);
}

function showLine(line: string): void {
  const shown = options.verbose ? line : logInWords(line);
  if (shown !== undefined) console.log(shown);
  else keepLastWords(`${line}\n`);
}

function isNotSchedules(param: string): boolean {
  return !param.startsWith('schedules=');
}

/** As deployed with the same parameters. */
function startSchedules(): void {
  const service = readFileSync(new URL('../../serverless.yml', import.meta.url), 'utf8');
  const given = options.param.map((param) => param.split(/=(.*)/s).slice(0, 2));
  const params = {
    ...paramsIn(service, stage),
    'table-vacuum': 'on',
    ...Object.fromEntries(given),
  };
  for (const job of registry) {
    for (const schedule of schedulesOf(job, params)) {
      const fire = (event: ScheduledEvent) =>
        send(job.name, event, `Schedule ${schedule.parameter}`);
      fireOnSchedule(schedule, systemClock, fire);
    }
  }
}

/** With --twice twice, as AWS may do. */
function send(job: string, event: object, what: string): void {
  const target = {
    lambdaUrl: `http://127.0.0.1:${lambdaPort}`,
    functionName: `nightshift-${stage}-${job}`,
  };
  for (let copies = options.twice ? 2 : 1; copies > 0; copies -= 1) {
    invoke(target, event)
      .then((end) => note(`${what}: ${end}`))
      // A call breaks only when the functions are being stopped.
      .catch(() => {});
  }
}
