import { parseArgs } from 'node:util';
import { NightshiftError } from '../../functions/_shared/errors.ts';

/** What `npm start` takes. Throws NS422. */
export function readStartOptions(args: string[]) {
  const { port, ...options } = parse(args);
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
    throw wrongOptions(`--port takes a number from 1 to 65535, and not ${JSON.stringify(port)}`);
  }
  return { ...options, port: Number(port) };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        // Without the example applications.
        empty: { type: 'boolean', default: false },
        // All that the functions and serverless-offline print, not one line an event or run.
        verbose: { type: 'boolean', default: false },
        twice: { type: 'boolean', default: false },
        // The port of the functions. If it is taken, another one is used.
        port: { type: 'string', default: '3000' },
        // Parameters as of a deployment; docs/deploy.md lists them.
        param: { type: 'string', multiple: true, default: [] },
      },
    }).values;
  } catch (thrown) {
    throw wrongOptions(thrown instanceof Error ? thrown.message : String(thrown));
  }
}

function wrongOptions(message: string): NightshiftError {
  return new NightshiftError('NS422', message, {
    hint: 'npm start takes --empty, --verbose, --twice, --port=<number> and --param=<name>=<value>, behind --: npm start -- --empty',
  });
}
