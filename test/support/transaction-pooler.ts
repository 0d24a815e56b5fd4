import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import postgres from 'postgres';

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 0);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const ready = message('Z', Buffer.from('I'));
const letIn = Buffer.concat([message('R', Buffer.from([0, 0, 0, 0])), ready]);

/** One column of text, as the simple protocol sends it. */
function answer(rows: readonly Record<string, unknown>[]): Buffer {
  const [first = {}] = rows;
  const names = Object.keys(first);
  const int16 = (n: number) => Buffer.from([n >> 8, n & 255]);
  const int32 = (n: number) => Buffer.from([n >> 24, n >> 16, n >> 8, n].map((byte) => byte & 255));
  const described = names.map((name) =>
    Buffer.concat([
      Buffer.from(`${name}\0`),
      int32(0),
      int16(0),
      int32(25),
      int16(-1),
      int32(-1),
      int16(0),
    ]),
  );
  const valued = rows.map((row) => {
    const values = names.map((name) => {
      const text = Buffer.from(String(row[name]));
      return Buffer.concat([int32(text.length), text]);
    });
    return message('D', Buffer.concat([int16(names.length), ...values]));
  });
  return Buffer.concat([
    message('T', Buffer.concat([int16(names.length), ...described])),
    ...valued,
    message('C', Buffer.from(`SELECT ${rows.length}\0`)),
    ready,
  ]);
}

/** Lends one session of Postgres to each client in turn, for the length of a query. */
export async function startTransactionPooler(databaseUrl: string) {
  const shared = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    let begun = false;
    socket.on('data', async (data) => {
      if (!begun) {
        begun = true;
        socket.write(letIn);
      } else if (data[0] === 'Q'.charCodeAt(0)) {
        const results = await shared.unsafe(data.subarray(5, -1).toString()).simple();
        const last = Array.isArray(results[0]) ? results.at(-1) : results;
        socket.write(answer((last ?? []) as never));
      } else socket.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `postgres://postgres:p@127.0.0.1:${port}/postgres`,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await shared.end();
      server.close();
      await once(server, 'close');
    },
  };
}
