import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as z from 'zod';
import { isoTime, systemClock } from '../../functions/_shared/clock.ts';

const entry = z.object({
  EventBusName: z.string().default('default'),
  Source: z.string().optional(),
  DetailType: z.string().optional(),
  Detail: z.string().optional(),
  Resources: z.array(z.string()).default([]),
});

type Entry = z.output<typeof entry>;

const putEvents = z.object({ Entries: z.array(entry).min(1).max(10) });

/** An entry as EventBridge delivers it to the targets of its rules. */
export interface BusEvent {
  version: string;
  id: string;
  'detail-type': string;
  source: string;
  account: string;
  time: string;
  region: string;
  resources: string[];
  detail: unknown;
}

export interface EventBusOptions {
  /** The one bus that there is. */
  name: string;
  /** Called with each event that the bus accepts. */
  onEvent: (event: BusEvent) => void;
  /** Returns the error code of an entry to refuse. If it throws, the bus answers as if it were broken. */
  refuse?: (entry: Entry) => string | undefined;
}

export interface EventBus {
  /** For AWS_ENDPOINT_URL_EVENTBRIDGE, or the client's option `endpoint`. */
  url: string;
  close(): Promise<void>;
}

/** EventBridge's PutEvents and DescribeEventBus on this machine: AWS JSON 1.1 over HTTP, for the unmodified client of the AWS SDK. */
export async function startEventBus(options: EventBusOptions): Promise<EventBus> {
  const server = createServer(async (request, response) => {
    try {
      respond(response, ...answer(request, await read(request), options));
    } catch {
      respond(response, 500, { __type: 'InternalException', message: 'The bus is broken.' });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function answer(
  { headers }: IncomingMessage,
  body: string,
  options: EventBusOptions,
): [status: number, body: object] {
  if (!headers.authorization?.startsWith('AWS4-HMAC-SHA256 ')) {
    return [400, { __type: 'MissingAuthenticationTokenException' }];
  }
  const asked = jsonObject(body);
  if (headers['x-amz-target'] === 'AWSEvents.DescribeEventBus') {
    return asked?.Name === options.name
      ? [200, { Name: options.name }]
      : [400, { __type: 'ResourceNotFoundException' }];
  }
  const put = putEvents.safeParse(asked);
  if (headers['x-amz-target'] !== 'AWSEvents.PutEvents' || !put.success) {
    return [400, { __type: 'ValidationException', message: 'Not a valid PutEvents.' }];
  }
  const Entries = put.data.Entries.map((each) => take(each, options));
  const FailedEntryCount = Entries.filter((each) => 'ErrorCode' in each).length;
  return [200, { FailedEntryCount, Entries }];
}

function take(each: Entry, { onEvent, refuse }: EventBusOptions) {
  const ErrorCode = refuse?.(each);
  if (ErrorCode) return { ErrorCode, ErrorMessage: 'Refused.' };
  const detail = jsonObject(each.Detail);
  if (!detail) return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' };
  if (!each.Source || !each.DetailType) {
    return { ErrorCode: 'InvalidArgument', ErrorMessage: 'Source and DetailType are required.' };
  }
  const EventId = randomUUID();
  onEvent({
    version: '0',
    id: EventId,
    'detail-type': each.DetailType,
    source: each.Source,
    account: '000000000000',
    time: isoTime(systemClock.nowMs()),
    region: 'local',
    resources: each.Resources,
    detail,
  });
  return { EventId };
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function respond(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, {
    'content-type': 'application/x-amz-json-1.1',
    'x-amzn-requestid': randomUUID(),
  });
  response.end(JSON.stringify(body));
}

function jsonObject(text: string | undefined): Record<string, unknown> | undefined {
  try {
    return z.record(z.string(), z.unknown()).safeParse(JSON.parse(text ?? '')).data;
  } catch {
    return undefined;
  }
}
