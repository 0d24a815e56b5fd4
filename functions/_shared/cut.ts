/** At most so many units of UTF-16, and no half of a character: others refuse JSON that has one. */
export function cutTo(length: number, text: string): string {
  return text.slice(0, length).replace(/[\ud800-\udbff]$/, '');
}
