import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { generate } from 'selfsigned';

/** Signed by itself, so that it is also what to verify it with. */
export async function certificateFor(name: string): Promise<{ key: string; cert: string }> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: name }], {
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: name }] }],
  });
  return { key, cert };
}

/** What a client of Postgres sends first when it wants to encrypt. */
const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** A server with a certificate, before one that speaks no TLS. Returns a connection string that leads through it. */
export async function startTls(databaseUrl: string, certificate: { key: string; cert: string }) {
  const behind = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    socket.once('data', (first) => {
      if (!first.equals(sslRequest)) return socket.destroy();
      socket.write('S');
      const encrypted = new TLSSocket(socket, { isServer: true, ...certificate });
      const postgres = connect(Number(behind.port), behind.hostname);
      sockets.add(postgres.on('error', () => {}));
      encrypted.on('error', () => postgres.destroy());
      encrypted.on('close', () => postgres.destroy());
      encrypted.pipe(postgres).pipe(encrypted);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(databaseUrl);
  url.hostname = 'localhost';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
