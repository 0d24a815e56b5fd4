import { format } from 'node:util';

/** Shorter ones are made up, and may be part of any word. */
const shortestSecret = 8;
const named = /^(SUPABASE|NIGHTSHIFT|AWS)_.*(KEY|TOKEN|SECRET|PASSWORD|DATABASE_URL)/;

const secrets = new Set<string>();

/** Each line that was written in this process since the tests of a file began, by whatever way. */
export const written: string[] = [];

/** A line that has it fails the test file that is running. */
export function keepSecret(...values: string[]): void {
  for (const value of values) if (value.length >= shortestSecret) secrets.add(value);
}

function record(text: string): void {
  // Tests change the environment as they go; what a function logs, it logs while its own is there.
  for (const [name, value = ''] of Object.entries(process.env)) {
    if (named.test(name) && !name.includes('PUBLISHABLE')) keepSecret(value.trim());
  }
  written.push(...text.split('\n').filter((line) => line !== ''));
}

/** What functions log is for the tests alone: on the terminal it would bury the results. */
const isLog = (text: string) => text.startsWith('{');

for (const stream of [process.stdout, process.stderr]) {
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  stream.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
    const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    record(text);
    return isLog(text) || write(chunk, ...rest);
  };
}
for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const) {
  const print = console[method].bind(console);
  console[method] = (...parts: unknown[]) => {
    const text = format(...parts);
    record(text);
    if (!isLog(text)) print(...parts);
  };
}

/** Ends a test file: returns its lines that have a secret, which they no longer show, and forgets both. */
export function takeLeaks(): string[] {
  const leaks = written
    .filter((line) => [...secrets].some((secret) => line.includes(secret)))
    .map((line) =>
      [...secrets].reduce((text, secret) => text.replaceAll(secret, '<secret>'), line),
    );
  written.length = 0;
  secrets.clear();
  return leaks;
}
