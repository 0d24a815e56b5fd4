import { raw, html as tag } from 'hono/html';

/** HTML that is finished. Nothing that comes out of JSON is an instance of it. */
export class Markup {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

type Piece = Markup | string | number | false | null | undefined | readonly Piece[];

/**
 * HTML whose values are escaped, but for other HTML made here. Hono's own tag trusts any object with the right fields, as a
 * jsonb value may have them: here everything that is no Markup is text. Attributes must be quoted, which a test looks after.
 */
export function html(strings: TemplateStringsArray, ...values: Piece[]): Markup {
  return new Markup(String(tag(strings, ...values.map(asText))));
}

function asText(value: Piece): unknown {
  if (Array.isArray(value)) return value.map(asText);
  if (value === false || value === null || value === undefined) return undefined;
  if (value instanceof Markup) return raw(String(value));
  // Beyond its type it may be an object, whose toString is one of its fields.
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
