/** A `%I` that stands where a relation is named; elsewhere it is a column, a trigger and the like. */
const relationBefore =
  /(?:\b(?:from|only|join|into|update|table|view|on|like) +(?:%I\.)?|\bnightshift\.)$/;

/** A piece of SQL without comments; what is quoted stays. */
function withoutComments(sql: string): string {
  return sql.replace(/('(?:[^']|'')*')|--[^\n]*/g, (_, quoted: string | undefined) => quoted ?? '');
}

/** Where what begins at `start` ends: at the first of `ends` outside of quotes and brackets. */
function endOf(sql: string, start: number, ends: string): number {
  let depth = 0;
  for (let at = start; at < sql.length; at++) {
    const char = sql[at] ?? '';
    const tag = char === '$' ? /^\$[a-z]*\$/.exec(sql.slice(at))?.[0] : undefined;
    if (char === "'") {
      while (at + 1 < sql.length && (sql[++at] !== "'" || sql[at + 1] === "'")) {
        if (sql[at] === "'") at++;
      }
    } else if (tag) {
      at = sql.indexOf(tag, at + tag.length) + tag.length - 1;
    } else if (depth === 0 && ends.includes(char)) {
      return at;
    } else if ('([{'.includes(char)) {
      depth++;
    } else if (')]}'.includes(char)) {
      depth--;
    }
  }
  return sql.length;
}

/** The body of a function: what is between the outermost dollar quotes. */
function bodyOf(sql: string): string {
  return /as \$\$\n(.*?)\n\$\$;/s.exec(sql)?.[1] ?? '';
}

/** All that a function executes as text, with how the variables that are executed came about, and what it hands out to be executed. */
export function executedIn(sql: string): string[] {
  const body = withoutComments(bodyOf(sql));
  const executed = [...body.matchAll(/\bexecute\b\s*/g)].map(({ index, 0: { length } }) =>
    body.slice(index + length, endOf(body, index + length, ';')),
  );
  const handedOut = [...body.matchAll(/'statement',\s*/g)].map(({ index, 0: { length } }) =>
    body.slice(index + length, endOf(body, index + length, ',)')),
  );
  const variables = executed.flatMap((text) => /^([a-z_]+)\b(?!\()/.exec(text)?.[1] ?? []);
  const made = [...new Set(variables)].flatMap((name) =>
    [
      ...body.matchAll(new RegExp(`\\b${name}\\s*:=|\\bfor ${name} in\\b`, 'g')),
      ...body.matchAll(new RegExp(`\\bselect\\b(?:(?!\\bselect\\b)[^;])*?\\binto ${name}\\b`, 'g')),
    ].map(({ index }) => body.slice(index, endOf(body, index, ';'))),
  );
  return [...executed, ...handedOut, ...made];
}

/**
 * What the calls of format() in a text put into it as it is, or as the name of a relation. A text that is put together in another
 * way stands for itself.
 */
export function insertedInto(text: string): string[] {
  const calls = [...text.matchAll(/\bformat\(/g)];
  const isVariable = /^[a-z_]+(\[\d+\])?\s*(into|using|$)/.test(text);
  if (calls.length === 0) return isVariable ? [] : [tidy(text)];
  return calls.flatMap(({ index, 0: { length } }) => {
    const [pattern = '', ...values] = listFrom(text, index + length);
    let next = 0;
    return [...pattern.matchAll(/%(?:%|(?:(\d+)\$)?([sIL]))/g)].flatMap(
      ({ index, 1: position, 2: kind }) => {
        const value = kind && values[position ? Number(position) - 1 : next++];
        const isName = kind === 'I' && relationBefore.test(pattern.slice(0, index));
        // A call of format() in it is looked at by itself.
        return value && (kind === 's' || isName) && !/\bformat\(/.test(value) ? [value] : [];
      },
    );
  });
}

/** The arguments of a call, from behind its bracket on. */
function listFrom(text: string, start: number): string[] {
  const end = endOf(text, start, ',)');
  const argument = tidy(text.slice(start, end));
  return text[end] === ',' ? [argument, ...listFrom(text, end + 1)] : [argument];
}

const tidy = (text: string) => text.replace(/\s+/g, ' ').trim();
