import { expect, it } from 'vitest';
import { names } from '../../cli/options.ts';

it.each([
  ['a', ['a']],
  ['a,b', ['a', 'b']],
  [' a , public."B" ,', ['a', 'public."B"']],
  ['"a,b","c(d","e""f,"', ['"a,b"', '"c(d"', '"e""f,"']],
  ['messages(sender_id, "x)"),items', ['messages(sender_id, "x)")', 'items']],
  ['a b.c', ['a b.c']],
  ['a"b,c', ['a"b,c']],
  ['a)(b,c', ['a)(b,c']],
  ['', ['']],
  [',', [',']],
])('reads the names in %j', (text, listed) => {
  expect(names(text)).toEqual(listed);
  expect(names(text, ['first'])).toEqual(['first', ...listed]);
});
