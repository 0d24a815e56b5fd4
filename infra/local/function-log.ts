import * as z from 'zod';
import { parseJson } from '../../functions/_shared/parse-json.ts';

const entry = z.object({
  level: z.string(),
  message: z.string(),
  service: z.string(),
  runId: z.string().optional(),
  error: z.object({ message: z.string() }).optional(),
});

/** A line of what the functions log, in words: the end of a run, or trouble. Undefined for anything else. */
export function logInWords(line: string): string | undefined {
  const { data } = entry.safeParse(parseJson(line));
  if (!data) return undefined;
  const { level, message, service, runId, error } = data;
  if (level === 'INFO' && !message.startsWith('Run ')) return undefined;
  const run = runId ? ` (${runId.slice(0, 8)})` : '';
  return `${service}: ${message}${run}${error ? `: ${error.message}` : ''}`;
}
