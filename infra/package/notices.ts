import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import * as z from 'zod';

const manifest = z.object({ name: z.string(), version: z.string(), license: z.string() });

/** Licenses that need not be passed on. */
const askNothing = ['MIT-0', 'Unlicense'];

interface Notice extends z.output<typeof manifest> {
  text: string;
}

/** The licenses of all packages of which something is in these bundles, as each asks to be passed on. */
export async function noticesOf(root: string, bundles: readonly Metafile[]): Promise<string> {
  const sources = bundles
    .flatMap(({ outputs }) => Object.values(outputs))
    .flatMap(({ inputs }) => Object.entries(inputs))
    .flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : []));
  const folders = new Set(
    sources.flatMap((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []),
  );
  const notices = await Promise.all(
    [...folders].sort().map((folder) => noticeIn(join(root, folder))),
  );
  const byText = Map.groupBy(notices, (notice) => textOf(notice, notices));
  return [
    'The command line and the Edge Functions of Nightshift contain these packages.\n',
    ...[...byText].map(([text, packages]) => {
      const names = packages.map(
        ({ name, version, license }) => `${name} ${version} (${license})\n`,
      );
      return [names.join(''), text].filter(Boolean).join('\n');
    }),
  ].join(`\n${'-'.repeat(80)}\n\n`);
}

async function noticeIn(folder: string): Promise<Notice> {
  const json: unknown = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|notice)/i.test(file));
  const texts = await Promise.all(files.sort().map((file) => readFile(join(folder, file), 'utf8')));
  return { ...manifest.parse(json), text: texts.join('\n') };
}

/** A license that names nobody is the same text in every package, so one that left it out is helped by another. */
function textOf({ name, license, text }: Notice, others: readonly Notice[]): string {
  if (text !== '') return text;
  const same = others.find((other) => other.license === license && other.text !== '');
  if (license === 'Apache-2.0' && same) return same.text;
  if (askNothing.includes(license)) return '';
  throw new Error(`${name} comes without the text of its license, ${license}.`);
}
