/**
 * A topological sort: the items and everything they depend on, each after what `before` names for it. Otherwise the given
 * order is kept. A cycle is cut where it is first met.
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
