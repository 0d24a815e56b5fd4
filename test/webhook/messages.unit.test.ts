import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../functions/_shared/clock.ts';
import { createWebhook } from '../../functions/_shared/webhook.ts';
import type { Message, Trouble } from '../../functions/_shared/webhook-bodies.ts';
import { readWebhook, webhookFormats } from '../../functions/_shared/webhook-settings.ts';
import { signingSecret, startReceiver } from '../support/receiver.ts';

let receiver: Awaited<ReturnType<typeof startReceiver>>;
beforeAll(async () => {
  receiver = await startReceiver();
});
afterAll(() => receiver.close());
beforeEach(() => receiver.reset());

const evil =
  '<!channel> @everyone <@U1> <https://evil.example|click> [x](https://evil.example) *b*';

const trouble = (changes: Partial<Trouble> = {}): Trouble => ({
  id: 1,
  kind: 'failed',
  subject: 'retention-purge',
  text: 'The last run failed: it took too long.',
  beganAt: '2026-01-01T02:00:00+00:00',
  endedAt: null,
  ...changes,
});

const message = (changes: Partial<Message> = {}): Omit<Message, 'at'> => ({
  type: 'nightshift.troubles',
  project: 'abcd.supabase.co',
  began: [trouble()],
  ended: [],
  ...changes,
});

function webhookOf(format: string, environment: Record<string, string> = {}) {
  const { webhook, problems } = readWebhook({
    NIGHTSHIFT_WEBHOOK_URL: `${receiver.url}/${format}`,
    NIGHTSHIFT_WEBHOOK_FORMAT: format,
    NIGHTSHIFT_WEBHOOK_SECRET: signingSecret,
    ...environment,
  });
  if (!webhook) throw new Error(JSON.stringify(problems));
  return createWebhook(webhook, systemClock);
}

describe.each(webhookFormats)('a message to %s', (format) => {
  const textOf = async (changes: Partial<Message>) => {
    await webhookOf(format).send(message(changes));
    return receiver.received.at(-1)?.text ?? '';
  };

  it('says of what, what has begun and what is over', async () => {
    const text = await textOf({
      ended: [trouble({ id: 2, kind: 'missed', subject: 'view-refresh' })],
    });
    expect(text).toContain('abcd.supabase.co');
    expect(text).toContain('retention-purge');
    expect(text).toContain('it took too long');
    expect(text).toContain('view-refresh');
  });

  it('mentions nobody and links nowhere, whatever a name or an error says', async () => {
    const text = await textOf({ began: [trouble({ subject: evil, text: evil })] });
    expect(text).toContain(evil);
    expect(text).not.toMatch(/MENTIONED|LINKED/);
  });

  it('is text wherever a long one is cut, also within what takes two units of UTF-16', async () => {
    for (const before of ['', 'x']) {
      await textOf({ began: [trouble({ text: `${before}${'🧹'.repeat(300)}` })] });
      expect(JSON.stringify(receiver.received.at(-1)?.body)).not.toMatch(/\\ud[89a-f]/);
    }
  });

  it('is taken, however much there is to say', async () => {
    const began = Array.from({ length: 50 }, (_, n) =>
      trouble({ id: n, text: `&<>*_${'x*&<'.repeat(500)}` }),
    );
    await textOf({ began });
    expect(receiver.received).toHaveLength(1);
  });
});

describe('a message to people', () => {
  it('has a line a trouble, also of names with line breaks, and says how many it leaves out', async () => {
    const began = Array.from({ length: 30 }, (_, n) =>
      trouble({ id: n, subject: `a\nb\u2028${n}` }),
    );
    await webhookOf('slack').send(message({ began }));
    const lines = receiver.received[0]?.text.split('\n') ?? [];
    expect(lines).toHaveLength(13);
    expect(lines.at(-2)).toBe('and 20 more');
    expect(lines[1]).toBe('- failed: a b 0: The last run failed: it took too long.');
  });
});

describe('a message in JSON', () => {
  it('has the same id when the same news comes again, and another for other news', async () => {
    const webhook = webhookOf('json');
    for (const changes of [{}, {}, { ended: [trouble()], began: [] }]) {
      await webhook.send(message(changes));
    }
    const [first, again, other] = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect(first).toMatch(/^msg_[0-9a-f]{32}$/);
    expect(again).toBe(first);
    expect(other).not.toBe(first);
    expect(receiver.received[0]?.body).toEqual({
      type: 'nightshift.troubles',
      timestamp: expect.any(String),
      data: { project: 'abcd.supabase.co', began: [trouble()], ended: [] },
    });
  });

  it('is refused by who expects another signature', async () => {
    const other = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;
    const webhook = webhookOf('json', { NIGHTSHIFT_WEBHOOK_SECRET: other });
    await expect(webhook.send(message())).rejects.toMatchObject({ code: 'NS502' });
    expect(receiver.received).toEqual([]);
  });
});

describe('a receiver', () => {
  it.each([
    ['breaks', 'it answered 500'],
    ['cuts', 'ECONNRESET|UND_ERR_SOCKET'],
    ['hangs', 'no answer within 3 s'],
    ['redirects', 'redirect'],
  ] as const)('that %s is an error that names its host, and not its address', async (how, why) => {
    receiver.behave(how);
    const error = await webhookOf('slack')
      .send(message())
      .catch((thrown) => thrown.describe());
    expect(error).toMatchObject({ code: 'NS502', detail: expect.stringMatching(why) });
    expect(JSON.stringify(error)).not.toContain('/slack');
    expect(receiver.asked()).toBe(1);
  });
});

it('that cannot be reached by Deno, which names the whole address, is an error without it', async () => {
  const cause = new Error(
    `error sending request for url (${receiver.url}/slack): client error (Connect): dns error`,
  );
  vi.spyOn(globalThis, 'fetch').mockRejectedValueOnce(new TypeError('fetch failed', { cause }));
  const error = await webhookOf('slack')
    .send(message())
    .catch((thrown) => thrown.describe());
  expect(error).toMatchObject({ code: 'NS502', detail: expect.stringContaining('dns error') });
  expect(JSON.stringify(error)).not.toContain('/slack');
});

describe('the settings of a webhook', () => {
  const secret = { NIGHTSHIFT_WEBHOOK_SECRET: signingSecret };
  it.each([
    ['https://hooks.slack.com/services/T/B/x', 'slack'],
    ['https://discord.com/api/webhooks/1/x', 'discord'],
    ['https://abc.webhook.office.com/webhookb2/x', 'teams'],
    ['https://prod-1.westeurope.logic.azure.com/workflows/x', 'teams'],
    ['https://abc.d4.environment.api.powerplatform.com/powerautomate/x', 'teams'],
    ['https://example.com/hooks.slack.com', 'json'],
    ['https://notslack.com/x', 'json'],
    ['http://localhost:3000/x', 'json'],
  ])('know by the address %s that it takes %s', (url, format) => {
    const { webhook } = readWebhook({ NIGHTSHIFT_WEBHOOK_URL: url, ...secret });
    expect(webhook).toMatchObject({ url, format });
  });

  it('can say what it takes, and are off without an address', () => {
    const url = 'https://mattermost.example.com/hooks/x';
    const named = { NIGHTSHIFT_WEBHOOK_URL: url, NIGHTSHIFT_WEBHOOK_FORMAT: 'slack' };
    expect(readWebhook(named)).toMatchObject({ webhook: { format: 'slack' }, problems: {} });
    expect(readWebhook({ ...secret, NIGHTSHIFT_WEBHOOK_URL: ' ' })).toEqual({
      webhook: undefined,
      problems: {},
    });
  });

  it.each([
    ['URL', { NIGHTSHIFT_WEBHOOK_URL: 'http://example.com/x', ...secret }],
    ['URL', { NIGHTSHIFT_WEBHOOK_URL: 'http://127.0.0.1.example.com/x', ...secret }],
    ['URL', { NIGHTSHIFT_WEBHOOK_URL: 'file:///etc/passwd', ...secret }],
    ['URL', { NIGHTSHIFT_WEBHOOK_URL: 'https://me:pass@example.com', ...secret }],
    ['URL', { NIGHTSHIFT_WEBHOOK_URL: 'no address', ...secret }],
    ['FORMAT', { NIGHTSHIFT_WEBHOOK_URL: 'https://a.example', NIGHTSHIFT_WEBHOOK_FORMAT: 'xml' }],
    ['SECRET', { NIGHTSHIFT_WEBHOOK_URL: 'https://a.example' }],
    ['SECRET', { NIGHTSHIFT_WEBHOOK_URL: 'https://a.example', NIGHTSHIFT_WEBHOOK_SECRET: 'x' }],
    ...['c2hvcnQ=', 'A'.repeat(45), `${'A'.repeat(43)}==`].map(
      (encoded): [string, Record<string, string>] => [
        'SECRET',
        {
          NIGHTSHIFT_WEBHOOK_URL: 'https://a.example',
          NIGHTSHIFT_WEBHOOK_SECRET: `whsec_${encoded}`,
        },
      ],
    ),
  ])('name what is wrong: %s of %o', (name, environment) => {
    const { webhook, problems } = readWebhook(environment);
    expect(webhook).toBeUndefined();
    expect(Object.keys(problems)).toEqual([`NIGHTSHIFT_WEBHOOK_${name}`]);
  });
});
