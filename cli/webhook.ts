import { NightshiftError } from '../functions/_shared/errors.ts';
import { readWebhook, type WebhookSettings } from '../functions/_shared/webhook-settings.ts';

/** Where people are told, by the environment; undefined where nobody is. */
export function configuredWebhook(): WebhookSettings | undefined {
  const { webhook, problems } = readWebhook(process.env);
  const wrong = Object.entries(problems);
  if (wrong.length === 0) return webhook;
  throw new NightshiftError(
    'NS422',
    `The webhook is not valid: ${wrong.map(([name]) => name).join(', ')}`,
    { hint: wrong.map(([name, shape]) => `${name}: ${shape}.`).join(' ') },
  );
}
