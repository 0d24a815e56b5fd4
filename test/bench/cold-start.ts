import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { LEAST_UPPER_BOUND, originalPositionFor, TraceMap } from '@jridgewell/trace-mapping';
import { build } from 'esbuild';
import { zipSync } from 'fflate';
import * as z from 'zod';
import { jobNames } from '../../functions/registry.ts';
import { writeFunctions } from '../../infra/edge/functions.ts';
import { percentile, round } from './measure.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Inside node_modules, where a bundle finds the SDK that the Lambda runtime has. */
const directory = join(root, 'node_modules', '.cache', 'nightshift-cold-start');
/** Odd, so that a median is one of the values. */
const rounds = 11;
const largest = 6;

const cpuProfile = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({ url: z.string() }),
      /** At which lines of the function the samples were taken. */
      positionTicks: z.array(z.object({ line: z.number(), ticks: z.number() })).default([]),
    }),
  ),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
});

/**
 * How long a new process takes to import each bundle, as Lambda does at a cold start, and which packages that goes to; and
 * the same of the Edge Function, in Deno.
 */
export async function benchColdStart(say: (text: string) => void): Promise<object> {
  await mkdir(directory, { recursive: true });
  // Deno takes no TypeScript from node_modules.
  const edge = await mkdtemp(join(tmpdir(), 'nightshift-cold-start-'));
  try {
    await writeFunctions(edge);
    const figures: Record<string, unknown> = {};
    for (const job of jobNames) {
      say(`${job}: ${rounds} imports, each in a process of its own, and one under the profiler`);
      figures[job] = inWords(await measure(job, edge));
    }
    return figures;
  } finally {
    await Promise.all([directory, edge].map((folder) => rm(folder, { recursive: true })));
  }
}

async function measure(job: string, edge: string) {
  const bundle = await bundleOf(job, { minify: true });
  const code = await readFile(bundle.path);
  if (bundle.inputs.some(([path]) => path.includes('node_modules/@aws-sdk/'))) {
    throw new Error(`The AWS SDK is inside the bundle of ${job}.`);
  }
  const bytes = new Map<string, number>();
  for (const [path, size] of bundle.inputs) add(bytes, packageOf(path), size);
  return {
    zipKilobytes: round(zipSync({ 'handler.mjs': code }).byteLength / 1024),
    lambda: await imports((code) => node(['--input-type=module', '--eval', code]), {
      bundle: bundle.path,
      rss: 'process.memoryUsage().rss',
    }),
    edge: await imports((code) => deno(['eval', '--quiet', code]), {
      bundle: join(edge, 'functions', `nightshift-${job}`, 'index.ts'),
      rss: 'Deno.memoryUsage().rss',
    }),
    bytes,
    // In a minified bundle all is one line, which tells nothing.
    profiledMs: await profile((await bundleOf(job, { minify: false })).path),
  };
}

/** As serverless.yml builds it, but for the map. */
async function bundleOf(job: string, { minify }: { minify: boolean }) {
  const path = join(directory, `${job}${minify ? '.min' : ''}.mjs`);
  const { metafile } = await build({
    entryPoints: [join(root, 'functions', job, 'handler.ts')],
    outfile: path,
    bundle: true,
    minify,
    sourcemap: 'external',
    target: 'node24',
    platform: 'node',
    format: 'esm',
    external: ['@aws-sdk/*'],
    metafile: true,
  });
  const output = Object.values(metafile.outputs).find(({ entryPoint }) => entryPoint);
  const inputs = Object.entries(output?.inputs ?? {});
  return {
    path,
    inputs: inputs.map(([input, { bytesInOutput }]) => [input, bytesInOutput] as const),
  };
}

/** The SDK is in the Lambda runtime, and is part of what a cold start imports there as well. */
const clock = (bundle: string) => `
  const startedMs = performance.now();
  await import(${JSON.stringify(bundle)});
  console.log(performance.now() - startedMs);`;

interface Imports {
  ms: number[];
  /** After the import. */
  megabytes: number[];
}

async function imports(
  run: (code: string) => Promise<{ stdout: string }>,
  { bundle, rss }: { bundle: string; rss: string },
): Promise<Imports> {
  const taken: Imports = { ms: [], megabytes: [] };
  for (let n = 0; n <= rounds; n++) {
    const { stdout } = await run(
      `${clock(bundle)}\n console.log(${rss}); globalThis.Deno?.exit();`,
    );
    const [ms, bytes] = stdout.trim().split('\n').slice(-2).map(Number);
    // The first brings the files into memory.
    if (n === 0) continue;
    taken.ms.push(ms ?? 0);
    taken.megabytes.push((bytes ?? 0) / 2 ** 20);
  }
  return taken;
}

/** Milliseconds that each package takes while it is imported; `node` is the process itself, its start and what it compiles. */
async function profile(bundle: string): Promise<Map<string, number>> {
  const name = `${basename(bundle)}.cpuprofile`;
  await node([
    '--cpu-prof',
    '--cpu-prof-interval=100',
    `--cpu-prof-dir=${directory}`,
    `--cpu-prof-name=${name}`,
    '--input-type=module',
    '--eval',
    clock(bundle),
  ]);
  const map = new TraceMap(await readFile(`${bundle}.map`, 'utf8'));
  const { nodes, samples, timeDeltas } = cpuProfile.parse(
    JSON.parse(await readFile(join(directory, name), 'utf8')),
  );
  const packageAt = (line: number) => {
    const { source } = originalPositionFor(map, { line, column: 0, bias: LEAST_UPPER_BOUND });
    return source ? packageOf(join(directory, source)) : 'node';
  };
  const selfMs = new Map<number, number>();
  for (const [n, id] of samples.entries()) add(selfMs, id, (timeDeltas[n] ?? 0) / 1000);
  const ms = new Map<string, number>();
  for (const { id, callFrame, positionTicks } of nodes) {
    const spentMs = selfMs.get(id) ?? 0;
    const ticks = positionTicks.reduce((sum, position) => sum + position.ticks, 0);
    if (!callFrame.url.endsWith(bundle) || ticks === 0) {
      add(
        ms,
        callFrame.url.includes('/node_modules/@') ? packageOf(callFrame.url) : 'node',
        spentMs,
      );
      continue;
    }
    for (const position of positionTicks) {
      add(ms, packageAt(position.line), (spentMs * position.ticks) / ticks);
    }
  }
  return ms;
}

function node(args: string[]) {
  return promisify(execFile)(process.execPath, args, { cwd: directory });
}

const denoProgram: string = createRequire(import.meta.url)('deno/install_api.cjs').runInstall();
function deno(args: string[]) {
  const settings = {
    SUPABASE_URL: 'http://127.0.0.1:1',
    SUPABASE_SERVICE_ROLE_KEY: 'unused',
    NIGHTSHIFT_HTTP_TOKEN: 'unused-unused-unused-unused-unused',
  };
  return promisify(execFile)(denoProgram, args, {
    cwd: directory,
    env: { ...process.env, ...settings, DENO_NO_UPDATE_CHECK: '1' },
  });
}

/** `zod` of a path through node_modules, with its scope; what is ours goes by our name. */
function packageOf(path: string): string {
  return /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? 'nightshift';
}

function add<Key>(sums: Map<Key, number>, name: Key, amount: number): void {
  sums.set(name, (sums.get(name) ?? 0) + amount);
}

const describe = ({ ms, megabytes }: Imports) =>
  `${round(percentile(ms, 0.5))} ms (median), ${round(Math.max(...ms))} ms at most, ${Math.round(percentile(megabytes, 0.5))} MB`;

function inWords({
  zipKilobytes,
  lambda,
  edge,
  bytes,
  profiledMs,
}: Awaited<ReturnType<typeof measure>>) {
  const sorted = (sums: Map<string, number>, show: (amount: number) => string) =>
    [...sums]
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, largest)
      .map(([name, amount]) => `  ${name} ${show(amount)}`);
  return [
    `${zipKilobytes} KB zipped; import ${describe(lambda)}`,
    `as an Edge Function: import ${describe(edge)}`,
    'time by package, under the profiler, not minified:',
    ...sorted(profiledMs, (amount) => `${round(amount)} ms`),
    'bytes by package, minified:',
    ...sorted(bytes, (amount) => `${round(amount / 1024)} KB`),
  ].join('\n');
}
