import { cutTo } from './cut.ts';
import type { WebhookFormat } from './webhook-settings.ts';

export interface Trouble {
  id: number;
  kind: 'failed' | 'missed' | 'left' | 'critical';
  /** The job, or the subject of the finding. */
  subject: string;
  text: string;
  beganAt: string;
  endedAt: string | null;
}

/** What people are told; nothing in it quotes a row. */
export interface Message {
  type:
    | 'nightshift.troubles'
    | 'nightshift.unreachable'
    | 'nightshift.reachable'
    | 'nightshift.test';
  /** When it was written. */
  at: string;
  /** The host of the project. */
  project: string;
  /** A sentence of its own, of what is no trouble of the ledger. */
  text?: string;
  began: readonly Trouble[];
  ended: readonly Trouble[];
}

/** More would be read by nobody; the rest is in the status. */
const mostLines = 10;
const longestLine = 300;

/** What each takes: Slack and Teams take more, Discord exactly this. */
const longestText = 2_000;

/** The body of the request, to the byte. All text is text there: no markup, no link, and nobody is mentioned. */
export function bodyOf(message: Message, format: WebhookFormat): string {
  switch (format) {
    case 'slack':
      return JSON.stringify({
        text: fitting(message, forSlack),
        mrkdwn: false,
        unfurl_links: false,
        unfurl_media: false,
      });
    case 'discord':
      return JSON.stringify({
        content: fitting(message, forDiscord),
        allowed_mentions: { parse: [] },
        // No previews of links.
        flags: 4,
      });
    case 'teams':
      return JSON.stringify(cardOf(fitting(message, (text) => text)));
    case 'json': {
      const { type, at, ...data } = message;
      return JSON.stringify({ type, timestamp: at, data });
    }
  }
}

/** As many whole lines as there is room for, so that no escape is cut in two. */
function fitting(message: Message, asText: (text: string) => string): string {
  const [first = '', ...lines] = linesOf(message);
  const shown = [asText(first)];
  let left = lines.length;
  let room = longestText - shown.join('').length - 100;
  for (const line of lines.slice(0, mostLines)) {
    const escaped = asText(line);
    if (escaped.length + 1 > room) break;
    shown.push(escaped);
    room -= escaped.length + 1;
    left -= 1;
  }
  if (left > 0) shown.push(`and ${left} more`);
  if (message.began.length > 0) shown.push('What to do: nightshift status, nightshift health');
  return shown.join('\n');
}

function linesOf({ project, text, began, ended }: Message): string[] {
  const first = `Nightshift of ${project}`;
  return [
    text === undefined ? first : cut(`${first}: ${text}`),
    ...began.map(({ subject, text, kind }) => cut(`- ${labels[kind]} ${subject}: ${text}`)),
    ...ended.map(({ subject, kind }) => cut(`- over: ${labels[kind]} ${subject}`)),
  ];
}

const labels = {
  failed: 'failed:',
  missed: 'missed:',
  left: 'work left:',
  critical: 'critical:',
} as const satisfies Record<Trouble['kind'], string>;

/** A name may have a line of its own in it. */
function cut(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const clean = line.replace(/[\u0000-\u001f\u007f\u2028\u2029]+/g, ' ');
  return clean.length <= longestLine ? clean : `${cutTo(longestLine - 1, clean)}…`;
}

function forSlack(text: string): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  // It makes links of addresses and has no escape for them; a zero-width space ends one before it begins.
  return escaped.replaceAll('://', ':\u200b//');
}

function forDiscord(text: string): string {
  // The colon is that of an address, which would be a link.
  return text.replace(/[\\*_~`|<>[\]()#@:]/g, '\\$&');
}

/** In runs of text, which a card shows as they are; a block of text would have markup. */
function cardOf(text: string) {
  const body = text.split('\n').map((line) => ({
    type: 'RichTextBlock',
    inlines: [{ type: 'TextRun', text: line }],
  }));
  const content = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    body,
  };
  const attachment = { contentType: 'application/vnd.microsoft.card.adaptive', content };
  return { type: 'message', attachments: [attachment] };
}
