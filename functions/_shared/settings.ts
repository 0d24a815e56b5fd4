import * as z from 'zod';
import { type Access, accessShapes, readAccess } from './access.ts';
import { type DeployedSchedule, readDeployedSchedules } from './aws-schedule.ts';
import type { Clock } from './clock.ts';
import { NightshiftError } from './errors.ts';
import { readWebhook, type WebhookSettings, webhookShapes } from './webhook-settings.ts';

/** It is printed, so it carries no password; and it is not the address of the Data API, which the dashboard shows as well. */
export const projectUrl = z
  .string()
  .trim()
  .pipe(z.url({ protocol: /^https?$/ }))
  .refine((url) => !url.includes('@') && /^\/?$/.test(URL.parse(url)?.pathname ?? '-'));

const projectUrlShape = 'the URL of the project, like https://abcd.supabase.co';

/** What is wrong with the address that was given; it may be a connection string with a password, so it is not repeated. */
export function wrongProjectUrl(given: string | undefined): string {
  const text = given?.trim() ?? '';
  if (/^postgres(ql)?:/.test(text)) {
    return `a connection string stands there; it is ${projectUrlShape}, and the connection string belongs into NIGHTSHIFT_DATABASE_URL`;
  }
  const url = URL.parse(text);
  return url && /^https?:$/.test(url.protocol) && !text.includes('@') && url.pathname !== '/'
    ? `it has a path, such as /rest/v1, where none belongs; it is ${url.origin}`
    : projectUrlShape;
}

/** A certificate on one line, as some consoles keep it, has \\n for its line breaks. */
export function readCa(text: string | undefined): string | undefined {
  return text?.trim().replaceAll('\\n', '\n') || undefined;
}

/** An empty value counts as unset, and white space around a value is a copying mistake. */
const schema = z
  .strictObject({
    SUPABASE_URL: projectUrl,
    // access.ts checks these three together.
    SUPABASE_SECRET_KEY: z.string().optional(),
    SUPABASE_PUBLISHABLE_KEY: z.string().optional(),
    NIGHTSHIFT_RUNNER_TOKEN: z.string().optional(),
    // connectDirect reads it, and says what is wrong with it.
    NIGHTSHIFT_DATABASE_URL: z
      .string()
      .trim()
      .regex(/^postgres(ql)?:\/\/./)
      .optional(),
    NIGHTSHIFT_DATABASE_CA: z.string().transform(readCa).optional(),
    NIGHTSHIFT_HTTP_TOKEN: z.string().trim().optional(),
    NIGHTSHIFT_STATUS_TOKEN: z.string().trim().optional(),
    // webhook-settings.ts checks these three together.
    NIGHTSHIFT_WEBHOOK_URL: z.string().optional(),
    NIGHTSHIFT_WEBHOOK_FORMAT: z.string().optional(),
    NIGHTSHIFT_WEBHOOK_SECRET: z.string().optional(),
    NIGHTSHIFT_SCHEDULES: z.string().transform(readDeployedSchedules).optional(),
    NIGHTSHIFT_EVENT_BUS: z.string().trim().optional(),
    NIGHTSHIFT_HTTP_BUDGET_MS: z.coerce.number().int().min(3_000).max(29_000).default(25_000),
  })
  .refine(
    ({ NIGHTSHIFT_HTTP_TOKEN: steers, NIGHTSHIFT_STATUS_TOKEN: reads }) =>
      !reads || reads !== steers,
    { path: ['NIGHTSHIFT_STATUS_TOKEN'] },
  );

const shapes: Record<string, string> = {
  SUPABASE_URL: projectUrlShape,
  ...accessShapes,
  NIGHTSHIFT_DATABASE_URL:
    'a connection string of the project, for work that takes longer than the API allows, like postgres://postgres.abcd:...@aws-0-eu-central-1.pooler.supabase.com:5432/postgres (Dashboard > Connect > Session pooler)',
  NIGHTSHIFT_DATABASE_CA:
    'the certificate that the direct connection is verified with, as text (Dashboard > Database > SSL Configuration); with it the connection is made only to a server that proves its name',
  NIGHTSHIFT_HTTP_TOKEN: 'the bearer token that HTTP calls must carry; without it all are refused',
  NIGHTSHIFT_STATUS_TOKEN:
    'the bearer token that reads the status and can do nothing else; another one than NIGHTSHIFT_HTTP_TOKEN',
  ...webhookShapes,
  NIGHTSHIFT_SCHEDULES:
    'the schedules that the deployment made, for the status page to show; it is set by the deployment alone',
  NIGHTSHIFT_EVENT_BUS:
    'the name or ARN of the EventBridge bus that carries events and continuations',
  NIGHTSHIFT_HTTP_BUDGET_MS:
    'how long an HTTP call may work before it answers 202, in ms: 3000 to 29000 (API Gateway gives up at 30 s), default 25000',
};

export const settingNames = Object.keys(shapes);

export interface Settings {
  supabase: { url: string } & Access;
  /** For the direct connection. */
  databaseUrl: string | undefined;
  /** Of the authority that signed the server's certificate. */
  databaseCa: string | undefined;
  httpToken: string | undefined;
  /** For those who read the status and may do nothing else. */
  statusToken: string | undefined;
  webhook: WebhookSettings | undefined;
  /** Those of AWS; none where the database keeps them. */
  schedules: readonly DeployedSchedule[];
  eventBus: string | undefined;
  httpBudgetMs: number;
}

/** Reads the environment strictly: a missing, malformed or unknown setting is an error that says the fix. */
export function readSettings(
  environment: Record<string, string | undefined>,
  clock?: Clock,
): Settings {
  const ours = Object.fromEntries(
    Object.entries(environment).filter(
      ([name, value]) => value?.trim() && (name in shapes || name.startsWith('NIGHTSHIFT_')),
    ),
  );
  const parsed = schema.safeParse(ours);
  const { access, problems: accessProblems } = readAccess(ours, clock);
  const { webhook, problems: webhookProblems } = readWebhook(ours);
  if (!parsed.success || !access || Object.keys(webhookProblems).length > 0) {
    const names = (parsed.error?.issues ?? []).flatMap((issue) =>
      issue.code === 'unrecognized_keys' ? issue.keys : [String(issue.path[0])],
    );
    const problems: Record<string, string> = {
      ...Object.fromEntries(
        names.map((name) => [
          name,
          (name === 'SUPABASE_URL' ? wrongProjectUrl(ours.SUPABASE_URL) : shapes[name]) ??
            `unknown; known are ${Object.keys(shapes).join(', ')}`,
        ]),
      ),
      ...accessProblems,
      ...webhookProblems,
    };
    throw new NightshiftError(
      'NS422',
      `The environment is not valid: ${Object.keys(problems).join(', ')}`,
      {
        hint: Object.entries(problems)
          .map(([name, fix]) => `${name}: ${fix}.`)
          .join(' '),
      },
    );
  }
  const { data } = parsed;
  return {
    supabase: { url: data.SUPABASE_URL, ...access },
    databaseUrl: data.NIGHTSHIFT_DATABASE_URL,
    databaseCa: data.NIGHTSHIFT_DATABASE_CA,
    httpToken: data.NIGHTSHIFT_HTTP_TOKEN,
    statusToken: data.NIGHTSHIFT_STATUS_TOKEN,
    webhook,
    schedules: data.NIGHTSHIFT_SCHEDULES ?? [],
    eventBus: data.NIGHTSHIFT_EVENT_BUS,
    httpBudgetMs: data.NIGHTSHIFT_HTTP_BUDGET_MS,
  };
}
