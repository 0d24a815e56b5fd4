import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { parse } from 'yaml';
import * as z from 'zod';
import { jobNames } from '../../functions/registry.ts';
import type { BusEvent } from './event-bus.ts';

/** As EventBridge has it, of exact values only: each field is one of those listed, and of an object each field again. */
type Pattern = { [field: string]: string[] | Pattern };
const pattern: z.ZodType<Pattern> = z.lazy(() =>
  z.record(z.string(), z.union([z.array(z.string()), pattern])),
);

const functionFile = z.object({
  events: z.array(z.object({ eventBridge: z.object({ pattern }).optional() })),
});

/** The jobs that have a rule for the event in functions/<job>/function.yml. */
export function targetsOf(event: BusEvent): string[] {
  return jobNames.filter((job) =>
    eventsOf(job).some(({ eventBridge }) => eventBridge && matches(eventBridge.pattern, event)),
  );
}

function eventsOf(job: string) {
  const file = new URL(`../../functions/${job}/function.yml`, import.meta.url);
  // CloudFormation's own tags mean nothing here.
  const definition = parse(readFileSync(file, 'utf8'), { logLevel: 'silent' });
  return functionFile.parse(definition).events;
}

function matches(wanted: Pattern, value: unknown): boolean {
  const found = z.record(z.string(), z.unknown()).safeParse(value).data ?? {};
  return Object.entries(wanted).every(([field, each]) =>
    Array.isArray(each) ? each.some((one) => one === found[field]) : matches(each, found[field]),
  );
}

/**
 * Invokes a function as EventBridge does, over the Lambda API of serverless-offline, and waits for its end: invoked as an
 * event, a function that fails would take serverless-offline down with it. Tells whether it failed.
 */
export async function invoke(
  { lambdaUrl, functionName }: { lambdaUrl: string; functionName: string },
  event: object,
): Promise<'done' | 'failed'> {
  // Unlike fetch, which gives up after five minutes, it waits as long as a function may take.
  const call = request(`${lambdaUrl}/2015-03-31/functions/${functionName}/invocations`, {
    method: 'POST',
    headers: { 'x-amz-invocation-type': 'RequestResponse' },
    agent: false,
  });
  call.end(JSON.stringify(event));
  const [response] = await once(call, 'response');
  response.resume();
  // As on AWS, 200 also when the function threw.
  const isDone = response.statusCode === 200 && !response.headers['x-amz-function-error'];
  return isDone ? 'done' : 'failed';
}
