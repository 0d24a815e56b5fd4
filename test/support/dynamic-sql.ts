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

/** The statements of a body, as far as semicolons and the beginnings of loops part them. */
function statementsOf(body: string, start = 0): string[] {
  const end = endOf(body, start, ';');
  const pieces = body.slice(start, end).split(/\bloop\b/);
  return end >= body.length ? pieces : [...pieces, ...statementsOf(body, end + 1)];
}

/** All that a function executes as text, and what it hands out to be executed. */
export function executedIn(sql: string): string[] {
  const body = withoutComments(bodyOf(sql));
  const after = (pattern: RegExp, ends: string) =>
    [...body.matchAll(pattern)].map(({ index, 0: { length } }) =>
      body.slice(index + length, endOf(body, index + length, ends)),
    );
  return [...after(/\bexecute\b\s*/g, ';'), ...after(/'statement',\s*/g, ',)')];
}

/**
 * What is put into the statements that a function makes, as it is or as the name of a relation, by way of all variables that are put
 * together with format().
 */
export function insertedBy(sql: string): string[] {
  const statements = statementsOf(withoutComments(bodyOf(sql)));
  const makingOf = (name: string) =>
    statements.filter((statement) =>
      new RegExp(
        `\\b${name}\\b[a-z_ ]*:=|\\bfor (?:[a-z_]+, )*${name}(?:, [a-z_]+)* in\\b|\\binto ${name}\\b`,
      ).test(statement),
    );
  const inserted = new Set<string>();
  const looked = new Set<string>();
  const texts = executedIn(sql);
  for (let text = texts.shift(); text !== undefined; text = texts.shift()) {
    const executed = /^([a-z_]+)(?:\[\d+\])?\s*(?:into|using|$)/.exec(text)?.[1];
    for (const value of executed ? [executed] : insertedInto(text)) {
      const making = /^[a-z_]+$/.test(value) ? makingOf(value) : [];
      const isMade = making.some((statement) => statement.includes('format('));
      if (!isMade) inserted.add(value);
      if (isMade && !looked.has(value)) texts.push(...making);
      looked.add(value);
    }
  }
  return [...inserted].toSorted();
}

/**
 * What the calls of format() in a text put into it as it is, or as the name of a relation. A text that is put together in another
 * way stands for itself.
 */
function insertedInto(text: string): string[] {
  const calls = [...text.matchAll(/\bformat\(/g)];
  if (calls.length === 0) return [tidy(text)];
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
