import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

type Behaviour =
  /** Refuses with an error of the protocol, as Supavisor does. */
  | { refuses: { code: string; message: string } }
  /** Lets the client in and then leaves it waiting, as a pooler does whose connections are taken. */
  | 'waits'
  /** Lets the client in, and closes the connection at its first query without a word. */
  | 'closes'
  /** Lets the client in, and ends the wait of its first query with an error, as PgBouncer does. */
  | { ends: { code: string; message: string } };

const text = (value: string) => Buffer.from(`${value}\0`);

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 0);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const fatal = ({ code, message: words }: { code: string; message: string }) =>
  message(
    'E',
    Buffer.concat([
      text('SFATAL'),
      text('VFATAL'),
      text(`C${code}`),
      text(`M${words}`),
      Buffer.from([0]),
    ]),
  );

const letIn = Buffer.concat([
  message('R', Buffer.from([0, 0, 0, 0])),
  message('Z', Buffer.from('I')),
]);

/** As much of Postgres's protocol as a pooler speaks before a query has reached the database. */
export async function startPooler(behaviour: Behaviour) {
  const sockets = new Set<Socket>();
  const startups: string[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    let begun = false;
    socket.on('data', (data) => {
      if (!begun) {
        begun = true;
        startups.push(data.subarray(8).toString().replaceAll('\0', ' ').trim());
        if (typeof behaviour === 'object' && 'refuses' in behaviour) {
          socket.end(fatal(behaviour.refuses));
        } else socket.write(letIn);
      } else if (behaviour === 'closes') socket.destroy();
      else if (typeof behaviour === 'object' && 'ends' in behaviour) {
        socket.end(fatal(behaviour.ends));
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `postgres://postgres:p@127.0.0.1:${port}/postgres`,
    /** What each client said of itself at first. */
    startups,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
