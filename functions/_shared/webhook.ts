import { createHash, createHmac } from 'node:crypto';
import { type Clock, isoTime } from './clock.ts';
import { NightshiftError } from './errors.ts';
import { bodyOf, type Message } from './webhook-bodies.ts';
import type { WebhookSettings } from './webhook-settings.ts';

/** Whoever takes longer than that is asked again by the next run. */
const timeoutMs = 3_000;

export interface Webhook {
  /** Throws NS502 when the message was not taken. */
  send(message: Omit<Message, 'at'>): Promise<void>;
}

export function createWebhook({ url, format, key }: WebhookSettings, clock: Clock): Webhook {
  return {
    async send(message) {
      const nowMs = clock.nowMs();
      const body = bodyOf({ ...message, at: isoTime(nowMs) }, format);
      const signed = key && format === 'json' ? signatureOf(message, body, key, nowMs) : {};
      const headers = { 'content-type': 'application/json', ...signed };
      let status: number;
      try {
        const response = await fetch(url, {
          method: 'POST',
          headers,
          body,
          // Where it leads next nobody has configured.
          redirect: 'error',
          signal: AbortSignal.timeout(timeoutMs),
        });
        ({ status } = response);
        await response.body?.cancel();
      } catch (thrown) {
        throw notTaken(url, reasonOf(thrown));
      }
      if (status < 200 || status > 299) throw notTaken(url, `it answered ${status}`);
    },
  };
}

/** As Standard Webhooks has it: over the very bytes that are sent. The same news again has the same id. */
function signatureOf(
  { began, ended, type }: Omit<Message, 'at'>,
  body: string,
  key: Uint8Array,
  nowMs: number,
): Record<string, string> {
  const news = [...began.map(({ id }) => `began ${id}`), ...ended.map(({ id }) => `ended ${id}`)];
  const what = news.length > 0 ? news.join() : `${type} ${nowMs}`;
  const id = `msg_${createHash('sha256').update(what).digest('hex').slice(0, 32)}`;
  const timestamp = String(Math.floor(nowMs / 1_000));
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${mac}`,
  };
}

/** Its address is a secret, but for the host. */
function notTaken(url: string, why: string): NightshiftError {
  return new NightshiftError(
    'NS502',
    `The webhook at ${new URL(url).host} did not take a message`,
    {
      detail: why,
      hint: 'Check NIGHTSHIFT_WEBHOOK_URL, and what receives it: docs/webhook.md.',
    },
  );
}

function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return 'unknown error';
  if (thrown.name === 'TimeoutError') return `no answer within ${timeoutMs / 1_000} s`;
  const cause = thrown.cause instanceof Error ? thrown.cause : thrown;
  if ('code' in cause && typeof cause.code === 'string') return cause.code;
  // Deno names the whole address there.
  return cause.message.replace(/\bhttps?:\/\/[^\s)]*/gi, 'the address');
}
