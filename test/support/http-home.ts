import { createServer, type IncomingMessage } from 'node:http';
import type { APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import { httpRequest, lambdaContext } from './events.ts';

type Handler = (event: unknown, context: Context) => Promise<unknown>;

export interface HttpHome {
  url: string;
  close(): Promise<void>;
}

/** The functions behind one HTTP API, as AWS has them: a request goes to the function whose route it is. */
export async function serveFunctions(functionOf: (path: string) => Handler): Promise<HttpHome> {
  const server = createServer(async (request, response) => {
    const path = request.url ?? '/';
    const event = httpRequest({
      method: request.method ?? 'GET',
      path,
      body: await bodyOf(request),
    });
    // Instead of those of a program.
    event.headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    const { cookie, ...headers } = event.headers;
    const answer = (await functionOf(path)(
      { ...event, headers, ...(cookie ? { cookies: cookie.split('; ') } : {}) },
      lambdaContext(),
    )) as APIGatewayProxyStructuredResultV2;
    response.writeHead(answer.statusCode ?? 500, answer.headers as Record<string, string>);
    response.end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
