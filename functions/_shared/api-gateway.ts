import * as z from 'zod';
import type { HttpRequest } from './http.ts';

/** Version 2.0 of the payload of an HTTP API. */
const apiGatewayEvent = z.object({
  version: z.literal('2.0'),
  headers: z.record(z.string(), z.string().optional()).default({}),
  /** Where this version puts them, and not among the headers. */
  cookies: z.array(z.string()).default([]),
  body: z.string().nullish(),
  isBase64Encoded: z.boolean().default(false),
  requestContext: z.object({
    http: z.object({ method: z.string(), path: z.string(), sourceIp: z.string().default('') }),
    requestId: z.string().default('unknown'),
    stage: z.string().default('$default'),
  }),
});

export function asHttpRequest(event: unknown): HttpRequest | undefined {
  const { data } = apiGatewayEvent.safeParse(event);
  if (!data) return undefined;
  const { http, stage, requestId } = data.requestContext;
  return {
    method: http.method,
    // API Gateway prefixes the path with any stage other than $default.
    path: http.path.startsWith(`/${stage}/`) ? http.path.slice(stage.length + 1) : http.path,
    headers: {
      ...Object.fromEntries(
        Object.entries(data.headers).map(([name, value]) => [name.toLowerCase(), value]),
      ),
      ...(data.cookies.length > 0 ? { cookie: data.cookies.join('; ') } : {}),
    },
    body: Buffer.from(data.body ?? '', data.isBase64Encoded ? 'base64' : 'utf8'),
    requestId,
    source: http.sourceIp,
  };
}
