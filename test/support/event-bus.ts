import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type BusEvent, busEvent } from './events.ts';

export interface EventBus {
  /** For AWS_ENDPOINT_URL_EVENTBRIDGE, or the client's option `endpoint`. */
  url: string;
  /** What the bus took, oldest first, as EventBridge delivers it to the targets of its rules. */
  readonly delivered: BusEvent[];
  /** How many entries were offered so far, the refused ones included. */
  readonly offered: number;
  /** The names of the buses that entries were meant for. */
  readonly names: Set<string>;
  /** Answers 200 and takes none of the next `entries` entries, as under throttling. */
  failNext(entries: number): void;
  /** Answers every request with 500 until it is told otherwise. */
  breakDown(down?: boolean): void;
  /** Forgets what was delivered, and every failure that was asked for. */
  reset(): void;
  close(): Promise<void>;
}

interface Entry {
  EventBusName?: string;
  Source?: string;
  DetailType?: string;
  Detail?: string;
}

/** The one bus that there is. */
export const busName = 'nightshift-test';

/** EventBridge's PutEvents and DescribeEventBus on this machine: AWS JSON 1.1 over HTTP, for the unmodified client of the AWS SDK. */
export async function startEventBus(): Promise<EventBus> {
  const delivered: BusEvent[] = [];
  const names = new Set<string>();
  let offered = 0;
  let toFail = 0;
  let broken = false;

  const take = (entry: Entry) => {
    offered += 1;
    names.add(entry.EventBusName ?? 'default');
    if (toFail > 0) {
      toFail -= 1;
      return { ErrorCode: 'ThrottlingException', ErrorMessage: 'Rate exceeded' };
    }
    const detail = jsonObject(entry.Detail);
    if (!detail) return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' };
    if (!entry.Source || !entry.DetailType) {
      return { ErrorCode: 'InvalidArgument', ErrorMessage: 'Source and DetailType are required.' };
    }
    const EventId = randomUUID();
    delivered.push(busEvent(entry.DetailType, entry.Source, { id: EventId, detail }));
    return { EventId };
  };

  const server = createServer(async (request, response) => {
    const body = await read(request);
    if (broken) {
      answer(response, 500, { __type: 'InternalException', message: 'The bus is broken.' });
      return;
    }
    const signed = request.headers.authorization?.startsWith('AWS4-HMAC-SHA256 ');
    if (!signed) {
      answer(response, 400, { __type: 'MissingAuthenticationTokenException' });
      return;
    }
    const asked = jsonObject(body);
    if (request.headers['x-amz-target'] === 'AWSEvents.DescribeEventBus') {
      const there = asked?.Name === busName;
      answer(
        response,
        there ? 200 : 400,
        there ? { Name: busName } : { __type: 'ResourceNotFoundException' },
      );
      return;
    }
    const entries = (asked?.Entries ?? []) as Entry[];
    const isPut = request.headers['x-amz-target'] === 'AWSEvents.PutEvents';
    if (!isPut || entries.length < 1 || entries.length > 10) {
      answer(response, 400, { __type: 'ValidationException', message: 'Not a valid PutEvents.' });
      return;
    }
    const Entries = entries.map(take);
    const FailedEntryCount = Entries.filter((entry) => 'ErrorCode' in entry).length;
    answer(response, 200, { FailedEntryCount, Entries });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}`,
    delivered,
    names,
    get offered() {
      return offered;
    },
    failNext: (entries) => {
      toFail = entries;
    },
    breakDown: (down = true) => {
      broken = down;
    },
    reset: () => {
      delivered.length = 0;
      names.clear();
      offered = 0;
      toFail = 0;
      broken = false;
    },
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, {
    'content-type': 'application/x-amz-json-1.1',
    'x-amzn-requestid': randomUUID(),
  });
  response.end(JSON.stringify(body));
}

function jsonObject(text: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
