/** The likeness of a secret in examples of our own, which say nothing. */
const example = String.raw`(?!\S*:\.\.\.@)`;

const patterns: [RegExp, string][] = [
  // postgres://user:password@host, whatever the scheme, which is short, so that a long text takes no time.
  [new RegExp(String.raw`([a-z][a-z0-9+.-]{0,30}://)${example}[^\s/]*@`, 'gi'), '$1[redacted]@'],
  [
    /\b(\w*(?:password|passwd|secret|token|api_?key))=("[^"]*"|'[^']*'|[^\s,;&]+)/gi,
    '$1=[redacted]',
  ],
  [/\b(password|passwd)\s*:\s*\S+/gi, '$1: [redacted]'],
  [/("\w*(?:password|passwd|secret|token|api_?key)"\s*:\s*)"(?:[^"\\]|\\.)*"/gi, '$1"[redacted]"'],
  [/\beyJ[\w-]{6,}\.[\w-]+\.[\w-]*/g, '[redacted]'],
  [/\bsb_secret_[\w-]{6,}/g, '[redacted]'],
  [/\bBearer +[\w.~+/-]{8,}=*/gi, 'Bearer [redacted]'],
  // Postgres quotes rows like that.
  [/\b(Key \([^)]*\))=\(.*\)/g, '$1=([redacted])'],
  [/\b(Failing row contains) \(.*\)/g, '$1 ([redacted])'],
];

/**
 * Takes passwords, tokens and the contents of rows out of a text. Nothing of ours has any, but an error may come from
 * code of the application, a library or a proxy; and what is stored once is shown to whoever may read the status.
 */
export function redact(text: string): string {
  return patterns.reduce((clean, [pattern, instead]) => clean.replace(pattern, instead), text);
}
