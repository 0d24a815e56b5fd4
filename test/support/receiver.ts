import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';

export const signingSecret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

type Behaviour = 'takes' | 'breaks' | 'hangs' | 'redirects' | 'cuts';

/** What people would read. */
interface Received {
  path: string;
  text: string;
  headers: IncomingMessage['headers'];
  body: Record<string, unknown>;
}

/** Takes messages as Slack, Discord, Teams and a verifier of Standard Webhooks do, and refuses what they would refuse. */
export async function startReceiver() {
  const received: Received[] = [];
  let behaviour: Behaviour = 'takes';
  let asked = 0;

  const server = createServer(async (request, response) => {
    asked += 1;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const raw = Buffer.concat(chunks);
    if (behaviour === 'hangs') return;
    if (behaviour === 'cuts') return void request.socket.destroy();
    if (behaviour === 'breaks') return void response.writeHead(500).end('no_service');
    if (behaviour === 'redirects') {
      return void response.writeHead(307, { location: '/json' }).end();
    }
    const path = request.url ?? '';
    const take = receivers[path.slice(1)];
    try {
      if (!take) throw new Error('no_such_hook');
      const body: unknown = JSON.parse(raw.toString());
      const { status, text } = take(body as never, raw.toString(), request.headers);
      received.push({ path, text, headers: request.headers, body: body as Received['body'] });
      response.writeHead(status).end(status === 204 ? undefined : 'ok');
    } catch (thrown) {
      response.writeHead(400).end(String(thrown));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    asked: () => asked,
    behave(as: Behaviour) {
      behaviour = as;
    },
    reset() {
      behaviour = 'takes';
      received.length = 0;
      asked = 0;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type Take = (
  body: never,
  raw: string,
  headers: IncomingMessage['headers'],
) => { status: number; text: string };

const receivers: Record<string, Take> = {
  slack({ text }: { text: unknown }) {
    if (typeof text !== 'string' || text === '') throw new Error('no_text');
    if (text.length > 40_000) throw new Error('msg_too_long');
    // <!channel>, <@U1> and <https://...|text> do something; what is escaped is text.
    const control = /<[^>]*>/.exec(text);
    if (control) return { status: 200, text: `MENTIONED ${control[0]}` };
    const link = /https?:\/\/\S/.exec(text);
    if (link) return { status: 200, text: `LINKED ${link[0]}` };
    const shown = text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
    // A zero-width space cannot be seen.
    return { status: 200, text: shown.replaceAll('\u200b', '') };
  },
  discord(body: { content: unknown; allowed_mentions?: { parse?: unknown[] } }) {
    const { content, allowed_mentions } = body;
    if (typeof content !== 'string' || content === '') throw new Error('50006');
    if (content.length > 2_000) throw new Error('50035');
    const rings = /(?<!\\)@(everyone|here)|<@!?\d+>/.test(content);
    if (rings && allowed_mentions?.parse?.length !== 0) return { status: 204, text: 'MENTIONED' };
    const link = /https?:\/\/\S/.exec(content);
    if (link) return { status: 204, text: `LINKED ${link[0]}` };
    return { status: 204, text: content.replace(/\\([^\w\s])/g, '$1') };
  },
  teams(body: {
    type: string;
    attachments: {
      contentType: string;
      content: { type: string; body: { type: string; inlines: { text: string }[] }[] };
    }[];
  }) {
    const [card] = body.attachments;
    if (body.type !== 'message' || card?.content.type !== 'AdaptiveCard') {
      throw new Error('BadRequest');
    }
    const lines = card.content.body.map(({ type, inlines }) => {
      if (type !== 'RichTextBlock') throw new Error(`${type} has markup`);
      return inlines.map(({ text }) => text).join('');
    });
    return { status: 202, text: lines.join('\n') };
  },
  json(body: { data: unknown }, raw, headers) {
    new Webhook(signingSecret).verify(raw, headers as Record<string, string>);
    return { status: 200, text: JSON.stringify(body.data) };
  },
};
