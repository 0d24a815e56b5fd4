import * as z from 'zod';
import { NightshiftError } from './errors.ts';

/** An empty value is no value; white space around one is a slip of copying. */
const schema = z.strictObject({
  SUPABASE_URL: z
    .string()
    .trim()
    .pipe(z.url({ protocol: /^https?$/ })),
  SUPABASE_SECRET_KEY: z.string().trim(),
  NIGHTSHIFT_DATABASE_URL: z
    .string()
    .trim()
    .pipe(z.url({ protocol: /^postgres(ql)?$/ }))
    .optional(),
  NIGHTSHIFT_HTTP_TOKEN: z.string().trim().optional(),
  NIGHTSHIFT_EVENT_BUS: z.string().trim().optional(),
  NIGHTSHIFT_HTTP_BUDGET_MS: z.coerce.number().int().min(3_000).max(29_000).default(25_000),
});

const shapes: Record<string, string> = {
  SUPABASE_URL: 'the URL of the project, like https://abcd.supabase.co',
  SUPABASE_SECRET_KEY: 'a secret key of the project (sb_secret_...)',
  NIGHTSHIFT_DATABASE_URL:
    'a connection string of the project, for work that takes longer than the API allows, like postgres://postgres.abcd:...@aws-0-eu-central-1.pooler.supabase.com:5432/postgres (Dashboard > Connect > Session pooler)',
  NIGHTSHIFT_HTTP_TOKEN: 'the bearer token that HTTP calls must carry; without it all are refused',
  NIGHTSHIFT_EVENT_BUS: 'the name or ARN of the EventBridge bus that carries continuations',
  NIGHTSHIFT_HTTP_BUDGET_MS:
    'how long an HTTP call may work before it answers 202, in ms: 3000 to 29000 (API Gateway gives up at 30 s), default 25000',
};

export interface Settings {
  supabaseUrl: string;
  supabaseSecretKey: string;
  /** Of the direct connection. */
  databaseUrl: string | undefined;
  httpToken: string | undefined;
  eventBus: string | undefined;
  httpBudgetMs: number;
}

/** Reads the environment once, strictly: a missing, ill-typed or unknown setting is an error that says the fix. */
export function readSettings(environment: Record<string, string | undefined>): Settings {
  const ours = Object.entries(environment).filter(
    ([name, value]) => value?.trim() && (name in shapes || name.startsWith('NIGHTSHIFT_')),
  );
  const parsed = schema.safeParse(Object.fromEntries(ours));
  if (!parsed.success) {
    const names = parsed.error.issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys' ? issue.keys : [String(issue.path[0])],
    );
    throw new NightshiftError(
      'NS422',
      `The environment is not valid: ${[...new Set(names)].join(', ')}`,
      {
        hint: [...new Set(names)]
          .map((name) =>
            name in shapes
              ? `${name}: ${shapes[name]}.`
              : `${name}: unknown; known are ${Object.keys(shapes).join(', ')}.`,
          )
          .join(' '),
      },
    );
  }
  const { data } = parsed;
  return {
    supabaseUrl: data.SUPABASE_URL,
    supabaseSecretKey: data.SUPABASE_SECRET_KEY,
    databaseUrl: data.NIGHTSHIFT_DATABASE_URL,
    httpToken: data.NIGHTSHIFT_HTTP_TOKEN,
    eventBus: data.NIGHTSHIFT_EVENT_BUS,
    httpBudgetMs: data.NIGHTSHIFT_HTTP_BUDGET_MS,
  };
}
