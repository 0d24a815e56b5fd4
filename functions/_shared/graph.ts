/**
 * The items, and all that `before` names for any of them, each after what it names for it. Else in the order given, as
 * far as one goes; a circle keeps the order in which it is met.
 */
export function inOrder<Item>(
  items: Iterable<Item>,
  before: (item: Item) => readonly Item[],
): Item[] {
  const met = new Set<Item>();
  const ordered: Item[] = [];
  const visit = (item: Item): void => {
    if (met.has(item)) return;
    met.add(item);
    before(item).forEach(visit);
    ordered.push(item);
  };
  for (const item of items) visit(item);
  return ordered;
}
