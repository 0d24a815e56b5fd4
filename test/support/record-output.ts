import { format } from 'node:util';
import { afterAll } from 'vitest';

/** Shorter ones are made up, and may be part of any word. */
const shortestSecret = 8;
const named = /^(SUPABASE|NIGHTSHIFT|AWS)_.*(KEY|TOKEN|SECRET|PASSWORD|DATABASE_URL)/;

const secrets = new Set<string>();

/** Each line that was written in this process while the tests of this file ran, by whatever way. */
export const written: string[] = [];

/** From now on, a line of this file that has it fails the file. */
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

/** What functions log is for this file alone: on the terminal it would bury the results. */
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

afterAll(() => {
  const leaks = written.filter((line) => [...secrets].some((secret) => line.includes(secret)));
  if (leaks.length === 0) return;
  const hidden = leaks.map((line) =>
    [...secrets].reduce((text, secret) => text.replaceAll(secret, '<secret>'), line),
  );
  throw new Error(`Secrets were logged:\n${hidden.join('\n')}`);
});
