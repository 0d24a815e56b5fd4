import type { Command } from 'commander';
import { systemClock } from '../../functions/_shared/clock.ts';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { createWebhook } from '../../functions/_shared/webhook.ts';
import { webhookShapes } from '../../functions/_shared/webhook-settings.ts';
import { say } from '../ui.ts';
import { configuredWebhook } from '../webhook.ts';

export function addWebhook(program: Command): void {
  program
    .command('webhook')
    .description('whoever is told of trouble by NIGHTSHIFT_WEBHOOK_URL')
    .command('test')
    .description('send a message that nothing is wrong, to see whether it arrives')
    .action(test);
}

async function test(): Promise<void> {
  const settings = configuredWebhook();
  if (!settings) {
    throw new NightshiftError('NS422', 'NIGHTSHIFT_WEBHOOK_URL is not set', {
      hint: `${webhookShapes.NIGHTSHIFT_WEBHOOK_URL}.`,
    });
  }
  const project = URL.parse(process.env.SUPABASE_URL?.trim() ?? '')?.host ?? 'no project';
  await createWebhook(settings, systemClock).send({
    type: 'nightshift.test',
    project,
    text: 'A test. What is wrong will be told here, once, and once more when it is over.',
    began: [],
    ended: [],
  });
  say(`${new URL(settings.url).host} took a message in the format ${settings.format}.`);
}
