import { InvalidArgumentError, Option } from 'commander';

export const databaseUrlOption = () =>
  new Option(
    '--database-url <url>',
    'direct or session-mode connection string of the database owner',
  ).makeOptionMandatory();

export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It takes a whole number.');
  return Number(text);
}

export function uuid(text: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    throw new InvalidArgumentError('It takes a whole uuid.');
  }
  return text;
}
