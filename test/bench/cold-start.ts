import { execFile } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { LEAST_UPPER_BOUND, originalPositionFor, TraceMap } from '@jridgewell/trace-mapping';
import { build } from 'esbuild';
import { zipSync } from 'fflate';
import * as z from 'zod';
import { jobNames } from '../../functions/registry.ts';
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

/** How long a new process takes to import each bundle, as Lambda does at a cold start, and which packages that goes to. */
export async function benchColdStart(say: (text: string) => void): Promise<object> {
  await mkdir(directory, { recursive: true });
  try {
    const figures: Record<string, unknown> = {};
    for (const job of jobNames) {
      say(`${job}: ${rounds} imports, each in a process of its own, and one under the profiler`);
      figures[job] = inWords(await measure(job));
    }
    return figures;
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function measure(job: string) {
  const bundle = await bundleOf(job, { minify: true });
  const code = await readFile(bundle.path);
  if (bundle.inputs.some(([path]) => path.includes('node_modules/@aws-sdk/'))) {
    throw new Error(`The AWS SDK is inside the bundle of ${job}.`);
  }
  const bytes = new Map<string, number>();
  for (const [path, size] of bundle.inputs) add(bytes, packageOf(path), size);
  return {
    zipKilobytes: round(zipSync({ 'handler.mjs': code }).byteLength / 1024),
    importMs: await importMs(bundle.path),
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

async function importMs(bundle: string): Promise<number[]> {
  const ms: number[] = [];
  for (let n = 0; n <= rounds; n++) {
    const { stdout } = await node(['--input-type=module', '--eval', clock(bundle)]);
    // The first brings the files into memory.
    if (n > 0) ms.push(Number(stdout));
  }
  return ms;
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

/** `zod` of a path through node_modules, with its scope; what is ours goes by our name. */
function packageOf(path: string): string {
  return /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? 'nightshift';
}

function add<Key>(sums: Map<Key, number>, name: Key, amount: number): void {
  sums.set(name, (sums.get(name) ?? 0) + amount);
}

function inWords({
  zipKilobytes,
  importMs,
  bytes,
  profiledMs,
}: Awaited<ReturnType<typeof measure>>) {
  const sorted = (sums: Map<string, number>, show: (amount: number) => string) =>
    [...sums]
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, largest)
      .map(([name, amount]) => `  ${name} ${show(amount)}`);
  return [
    `${zipKilobytes} KB zipped; import ${round(percentile(importMs, 0.5))} ms (median), ${round(Math.max(...importMs))} ms at most`,
    'time by package, under the profiler, not minified:',
    ...sorted(profiledMs, (amount) => `${round(amount)} ms`),
    'bytes by package, minified:',
    ...sorted(bytes, (amount) => `${round(amount / 1024)} KB`),
  ].join('\n');
}
