export const webhookFormats = ['slack', 'discord', 'teams', 'json'] as const;
export type WebhookFormat = (typeof webhookFormats)[number];

/** Where people are told what is wrong. */
export interface WebhookSettings {
  url: string;
  format: WebhookFormat;
  /** What messages in JSON are signed with. */
  key: Uint8Array | undefined;
}

export const webhookShapes = {
  NIGHTSHIFT_WEBHOOK_URL:
    'the address of an incoming webhook, https://... (http:// only for this machine)',
  NIGHTSHIFT_WEBHOOK_FORMAT: `${webhookFormats.join(', ')}; by default what the address tells`,
  NIGHTSHIFT_WEBHOOK_SECRET:
    'what messages in JSON are signed with, whsec_ and 24 to 64 bytes in base64: echo "whsec_$(openssl rand -base64 32)"',
};

type Problems = Partial<Record<keyof typeof webhookShapes, string>>;

const thisMachine = /^(localhost|127\.0\.0\.1|\[::1\])$/;

const hosts: [RegExp, WebhookFormat][] = [
  [/(^|\.)slack\.com$/, 'slack'],
  [/(^|\.)(discord|discordapp)\.com$/, 'discord'],
  [/(^|\.)(webhook\.office\.com|logic\.azure\.com|powerplatform\.com)$/, 'teams'],
];

/** Reads where people are told, or says what is wrong with each variable. Off unless there is an address. */
export function readWebhook(environment: Record<string, string | undefined>): {
  webhook: WebhookSettings | undefined;
  problems: Problems;
} {
  const given = (name: keyof typeof webhookShapes) => environment[name]?.trim() || undefined;
  const problems: Problems = {};
  const text = given('NIGHTSHIFT_WEBHOOK_URL');
  if (text === undefined) return { webhook: undefined, problems };

  const url = URL.parse(text);
  const isSafe =
    url?.protocol === 'https:' || (url?.protocol === 'http:' && thisMachine.test(url.hostname));
  if (!url || !isSafe || url.username || url.password) {
    problems.NIGHTSHIFT_WEBHOOK_URL = webhookShapes.NIGHTSHIFT_WEBHOOK_URL;
  }
  const named = given('NIGHTSHIFT_WEBHOOK_FORMAT');
  const format =
    named === undefined
      ? (hosts.find(([host]) => host.test(url?.hostname ?? ''))?.[1] ?? 'json')
      : webhookFormats.find((each) => each === named);
  if (!format) problems.NIGHTSHIFT_WEBHOOK_FORMAT = webhookShapes.NIGHTSHIFT_WEBHOOK_FORMAT;

  const key = keyIn(given('NIGHTSHIFT_WEBHOOK_SECRET'));
  if (format === 'json' && !key) {
    problems.NIGHTSHIFT_WEBHOOK_SECRET = webhookShapes.NIGHTSHIFT_WEBHOOK_SECRET;
  }
  const isWrong = Object.keys(problems).length > 0 || !url || !format;
  return { webhook: isWrong ? undefined : { url: url.href, format, key }, problems };
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;

/** As Standard Webhooks writes it. */
function keyIn(secret: string | undefined): Uint8Array | undefined {
  const encoded = /^whsec_(.*)$/.exec(secret ?? '')?.[1];
  if (encoded === undefined || !base64.test(encoded)) return undefined;
  const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
  return bytes.length >= 24 && bytes.length <= 64 ? bytes : undefined;
}
