import { parseJson } from '../functions/_shared/invocation.ts';

/** What the functions and the database say is meant for callers over HTTP; here each such call is the command that does the same. */
export function onCommandLine(text: string): string {
  return text.replace(
    /POST \/jobs\/([a-z-]+)\/runs with (\{.*?\})(?=[\s,;:.]|$)/g,
    (call, job: string, json: string) => {
      const input = parseJson(json);
      if (input === null || typeof input !== 'object') return call;
      return ['npm run nightshift -- run', job, ...optionsOf(input)].join(' ');
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
