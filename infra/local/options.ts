import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { exitCodes } from '../../cli/exit-codes.ts';
import { showError } from '../../cli/ui.ts';
import { NightshiftError, toNightshiftError } from '../../functions/_shared/errors.ts';
import { type ExampleSize, exampleSeeds } from './examples.ts';

const startHint =
  'npm start takes --empty, --verbose, --twice, --port=<number> and --param=<name>=<value>, behind --: npm start -- --empty';
const demoHint = 'npm run demo takes --scale=<number>, behind --: npm run demo -- --scale=0.1';

const size: ExampleSize = { users: 200, packages: 20_000, metrics: 50_000, products: 500 };

/** What `npm start` takes, and with what it fills the database: `examples` is undefined without any. Throws NS422. */
export function readStartOptions(args: string[]) {
  const { port, empty, ...options } = parse(args, startHint, {
    // Without the example applications.
    empty: { type: 'boolean', default: false },
    // All that the functions and serverless-offline print, not one line an event or run.
    verbose: { type: 'boolean', default: false },
    twice: { type: 'boolean', default: false },
    // The port of the functions. If it is taken, another one is used.
    port: { type: 'string', default: '3000' },
    // Parameters as of a deployment; docs/deploy.md lists them.
    param: { type: 'string', multiple: true, default: [] },
  });
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
    const message = `--port takes a number from 1 to 65535, and not ${JSON.stringify(port)}`;
    throw new NightshiftError('NS422', message, { hint: startHint });
  }
  return {
    ...options,
    port: Number(port),
    examples: empty ? undefined : { seeds: exampleSeeds, size },
  };
}

/** What `npm run demo` takes. Throws NS422. */
export function readDemoOptions(args: string[]) {
  // How many of the rows there are: 0.1 is the same night with a tenth of the data.
  const { scale } = parse(args, demoHint, { scale: { type: 'string', default: '1' } });
  if (!/^\d+(\.\d+)?$/.test(scale) || Number(scale) < 0.01 || Number(scale) > 100) {
    const message = `--scale takes a number from 0.01 to 100, and not ${JSON.stringify(scale)}`;
    throw new NightshiftError('NS422', message, { hint: demoHint });
  }
  return { scale: Number(scale) };
}

function parse<Options extends ParseArgsOptionsConfig>(
  args: string[],
  hint: string,
  options: Options,
) {
  try {
    return parseArgs({ args, options }).values;
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    throw new NightshiftError('NS422', message, { hint });
  }
}

/** Ends this process where it may not begin: by default because it was called wrongly. */
export function orLeave<Result>(begin: () => Result, exitCode: number = exitCodes.usage): Result {
  try {
    return begin();
  } catch (thrown) {
    showError(toNightshiftError(thrown).describe());
    process.exit(exitCode);
  }
}
