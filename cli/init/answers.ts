import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import * as z from 'zod';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { parseJson } from '../../functions/_shared/parse-json.ts';
import { nightshift } from '../installation/origin.ts';
import { type Home, homes } from './homes.ts';
import type { Proposal } from './proposal.ts';

export interface Answers {
  home: Home | null;
  /** Of each proposal, by its id, whether it is to be written. */
  proposals: Record<string, boolean>;
}

const answers = z.strictObject({
  home: z.enum(homes).nullable().default(null),
  proposals: z.record(z.string(), z.boolean()).default({}),
});

const shape =
  'It has the form of "answers" in what init --json prints: {"home": "edge", "proposals": {"retention public.orders": true}}.';

/** What a file says. An id that is not proposed is more often a slip than a wish. */
export async function readAnswers(file: string, proposals: readonly Proposal[]): Promise<Answers> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new NightshiftError('NS404', `There is no file ${file} that can be read`, {
      detail: 'Nothing was written.',
      hint: shape,
      cause,
    });
  });
  const { data, error } = answers.safeParse(parseJson(text));
  if (!data) {
    throw new NightshiftError('NS422', `${file} does not have the answers`, {
      detail: `${z.prettifyError(error)}\nNothing was written.`,
      hint: shape,
    });
  }
  const ids = proposals.map(({ id }) => id);
  const unknown = Object.keys(data.proposals).filter((id) => !ids.includes(id));
  if (unknown.length > 0) {
    throw new NightshiftError('NS404', `Nothing of the kind is proposed: ${unknown.join(', ')}`, {
      detail: 'Nothing was written.',
      hint: `Look at what is: ${nightshift} init --json`,
    });
  }
  return data;
}

/** What a person says in a terminal: which proposals, and where the jobs are to run. */
export async function ask(
  proposals: readonly Proposal[],
  home: Home | null,
  streams: { input: NodeJS.ReadableStream; output: NodeJS.WritableStream } = {
    input: process.stdin,
    output: process.stdout,
  },
): Promise<Answers | undefined> {
  const terminal = createInterface(streams);
  const interrupted = new AbortController();
  terminal.once('SIGINT', () => interrupted.abort());
  // The end of the input, too, is no answer.
  terminal.once('close', () => interrupted.abort());
  const question = (text: string) => terminal.question(text, { signal: interrupted.signal });
  try {
    const left = await until(
      question,
      '\nWrite them? Enter: all; numbers to leave out, like 2,5; or no: ',
      (text) => leftOut(text, proposals.length),
    );
    if (left === 'none') return undefined;
    const chosen =
      home ??
      (await until(
        question,
        `Where do the jobs run? ${homes.join(', ')}; Enter: decide later: `,
        (text) => (text === '' ? 'later' : homes.find((each) => each === text)),
      ));
    return {
      home: chosen === 'later' ? null : chosen,
      proposals: Object.fromEntries(proposals.map(({ id }, n) => [id, !left.has(n + 1)])),
    };
  } catch (thrown) {
    if (interrupted.signal.aborted) return undefined;
    throw thrown;
  } finally {
    terminal.close();
  }
}

/** Asks again what cannot be read. */
async function until<Answer>(
  question: (text: string) => Promise<string>,
  text: string,
  read: (answer: string) => Answer | undefined,
): Promise<Answer> {
  for (;;) {
    const answer = read((await question(text)).trim().toLowerCase());
    if (answer !== undefined) return answer;
  }
}

function leftOut(text: string, many: number): Set<number> | 'none' | undefined {
  if (/^no?$/.test(text)) return 'none';
  if (text === '' || /^y(es)?$|^all$/.test(text)) return new Set();
  const numbers = text.split(/[\s,]+/).map(Number);
  return numbers.every((n) => Number.isInteger(n) && n >= 1 && n <= many)
    ? new Set(numbers)
    : undefined;
}
