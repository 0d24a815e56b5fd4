import { parseJson } from '../functions/_shared/parse-json.ts';
import { asCalled, nightshift } from './installation/origin.ts';

/** What the functions and the database say is meant for callers over HTTP; here each such call is the command that does the same. */
export function onCommandLine(text: string): string {
  return softDeleteCommands(runCommands(text));
}

/** In SQL that somebody is to paste, which stays what it is. */
export function runCommands(text: string): string {
  return asCalled(text).replace(
    /POST \/jobs\/([a-z-]+)\/runs with (\{.*?\})(?=[\s,;:.]|$)/g,
    (call, job: string, json: string) => {
      const input = parseJson(json);
      if (input === null || typeof input !== 'object') return call;
      return [`${nightshift} run`, job, ...optionsOf(input)].join(' ');
    },
  );
}

/** As the database writes it: the name of a table, then what is said of it, one parameter or none. */
const softDeleteCall =
  /(?:select )?nightshift\.(enable|inspect|disable)_soft_delete\((?:'((?:[^']|'')*)'(?:, (\w+) => (array\[)?(?:'((?:[^']|'')*)'|(true|false))\]?)?)?\);?/g;

function softDeleteCommands(text: string): string {
  return text.replace(
    softDeleteCall,
    (
      _,
      command: string,
      table?: string,
      parameter?: string,
      _array?: string,
      value?: string,
      is?: string,
    ) => {
      const words = [`${nightshift} soft-delete`, command];
      if (table !== undefined) words.push(quoted(table.replaceAll("''", "'")));
      if (parameter !== undefined) {
        words.push(
          is === 'false'
            ? `--no-${parameter}`
            : (optionNames[parameter] ?? optionOf(parameter.replace('_', '-'))),
        );
      }
      if (value !== undefined) words.push(quoted(value.replaceAll("''", "'")));
      return words.join(' ');
    },
  );
}

function optionsOf(input: object): string[] {
  return Object.entries(input).flatMap(([name, value]) => {
    if (value === false) return [];
    const values = value === true ? [] : [value].flat();
    return [optionOf(name), ...values.map((each) => quoted(String(each)))];
  });
}

/** The option for a member of an input. */
export function optionOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** As a shell takes it: the double quotes of SQL are part of a name. */
export function quoted(name: string): string {
  return /^[\w.]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
}

/** Parameters of the functions of soft delete, whose options are called otherwise. */
const optionNames: Record<string, string> = {
  marker_column: '--marker',
  flag_column: '--flag',
  by_column: '--by',
  reason_column: '--reason',
  unique_among_active: '--unique',
  active_indexes: '--active-index',
  deleted_rows: '--deleted-rows',
  on_conflict: '--on-conflict',
  restored_by: '--by',
  drop_after: '--drop-after',
};

/** What the functions of soft delete refuse, with the options of the command in place of their parameters. */
export function inOptions(text: string): string {
  return onCommandLine(text).replace(
    new RegExp(`\\b(${Object.keys(optionNames).join('|')})\\b(?: => '([^']*)')?`, 'g'),
    (_, parameter: string, value?: string) =>
      [optionNames[parameter], ...(value === undefined ? [] : [quoted(value)])].join(' '),
  );
}
