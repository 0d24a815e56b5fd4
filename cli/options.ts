import { resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import * as z from 'zod';
import { isClone } from './installation/origin.ts';

export const databaseUrlOption = () =>
  new Option(
    '--database-url <url>',
    'direct or session-mode connection string of the database owner',
  ).makeOptionMandatory();

export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It takes a whole number.');
  return Number(text);
}

/**
 * Names as SQL writes them, several of them with commas between, like arguments of their own: a comma in quotes or in brackets
 * belongs to a name.
 */
export function names(text: string, before: string[] = []): string[] {
  const found = text.match(/(?:[^",()]|"[^"]*"?|\((?:[^")]|"[^"]*"?)*\)?|\))+/g) ?? [];
  const listed = found.map((name) => name.trim()).filter((name) => name !== '');
  return [...before, ...(listed.length > 0 ? listed : [text])];
}

export function uuid(text: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    throw new InvalidArgumentError('It takes a whole uuid.');
  }
  return text;
}

/**
 * With its zone: whoever restores after an accident must not be an hour off. As psql shows it, too: 2026-03-01 12:00:00+00. A
 * day alone begins at midnight UTC.
 */
export function moment(text: string): string {
  if (z.iso.date().safeParse(text).success) return `${text}T00:00:00Z`;
  const time = text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00');
  if (z.iso.datetime({ offset: true }).safeParse(time).success) return time;
  throw new InvalidArgumentError(
    'It takes a time with its zone, like 2026-03-01T12:00:00Z or 2026-03-01T12:00:00+01:00, or a day, like 2026-03-01.',
  );
}

/** npm runs a clone's command line in the clone, and says in which folder it was called. */
export function folderOf(path: string): string {
  return resolve((isClone && process.env.INIT_CWD) || '.', path);
}
