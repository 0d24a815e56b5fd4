/** PostgREST answers with JSON and a code: its own, a SQLSTATE, or one that a function raised. */
const codeOfPostgrest = /^(PGRST\w+|[0-9A-Z]{5})$/;

export function isFromPostgrest(code: unknown): code is string {
  return typeof code === 'string' && codeOfPostgrest.test(code);
}

/**
 * What to say of an answer that PostgREST did not give, but something between here and it: Cloudflare, the API gateway of
 * Supabase, or a proxy of one's own. Most pass, also a 404 while a project is being restarted. Its text, which is often
 * a whole HTML page, is not repeated.
 */
export function describeProxyAnswer(
  call: string,
  status: number,
  host: string,
): { code: string; message: string; detail?: string; hint: string } {
  if (status === 401) return { code: 'HTTP401', ...refusedKey };
  const { says, hint } = knownAnswers[status] ?? unknownAnswer(status);
  const passes = status < 400 || status === 404 || status === 429 || status >= 500;
  return {
    code: passes ? 'NS503' : `HTTP${status}`,
    message: `Supabase could not be reached: ${says}`,
    detail: `Something at ${host} that is not the Data API answered ${call} with HTTP ${status}.`,
    hint,
  };
}

export const refusedKey = {
  message: 'Supabase refused the API key',
  hint: 'SUPABASE_SECRET_KEY must be a secret key (sb_secret_...) of the project at SUPABASE_URL; or NIGHTSHIFT_RUNNER_TOKEN a token that has not expired, signed with a key of that project.',
};

/** Several codes say so: Kong's, PostgREST's, and ours. */
export function isRefusedKey({ message }: { message: string }): boolean {
  return message === refusedKey.message;
}

interface KnownAnswer {
  says: string;
  hint: string;
}

const itPasses =
  'The next run tries again. If it lasts, see https://status.supabase.com and the state of the project in the dashboard.';

const originIsDown: KnownAnswer = {
  says: 'Cloudflare, which stands before it, got no answer from the project',
  hint: itPasses,
};

const refusedByRule: KnownAnswer = {
  says: 'something before it refused the call',
  hint: 'Look for a firewall, a proxy or a network restriction between here and SUPABASE_URL.',
};

const knownAnswers: Record<number, KnownAnswer> = {
  403: refusedByRule,
  404: {
    says: 'nothing answers at this address',
    hint: 'Check SUPABASE_URL. It is right if this worked before: then the project is being restarted or moved, and the next run tries again.',
  },
  407: refusedByRule,
  429: {
    says: 'there are too many calls',
    hint: 'The next run tries again. Look for what else calls the API of the project this often.',
  },
  ...Object.fromEntries([520, 521, 522, 523, 524].map((status) => [status, originIsDown])),
  525: { says: 'Cloudflare could not agree on TLS with the project', hint: itPasses },
  526: { says: 'Cloudflare could not agree on TLS with the project', hint: itPasses },
  530: {
    says: 'Cloudflare does not find the project',
    hint: `Check SUPABASE_URL, and that the project was not deleted. ${itPasses}`,
  },
  540: {
    says: 'the project is paused',
    hint: 'Restore it in the dashboard. Supabase pauses projects of the free plan that nobody uses.',
  },
  544: { says: 'the project did not answer in time', hint: itPasses },
};

function unknownAnswer(status: number): KnownAnswer {
  if (status >= 500) return { says: 'something before it failed', hint: itPasses };
  return status < 400
    ? {
        says: 'something else answered in its place',
        hint: 'Check SUPABASE_URL, and whether a proxy or a login page stands between here and it.',
      }
    : refusedByRule;
}
