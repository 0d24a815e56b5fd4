import fc from 'fast-check';

const actions = ['no action', 'restrict', 'cascade', 'set null', 'set default'] as const;
const markerTypes = ['timestamptz', 'timestamp', 'date'] as const;
const roles = ['hold', 'child', 'release', 'keep'] as const;
export type Role = (typeof roles)[number];
/** Below is the role that the functions belong to, above a member of it; a stranger takes a table once it has its policy. */
export type Owner = 'below' | 'above' | 'stranger';

export interface Row {
  id: number;
  table: number;
  /** Whether its marker says it may go. */
  due: boolean;
  /** Whether a trigger refuses to let it go: by an error, or by keeping silent. */
  poison: 'raises' | 'returns null' | undefined;
  /** One id, or null, for each foreign key of its table. */
  refs: (number | null)[];
}

interface Key {
  from: number;
  to: number;
  action: (typeof actions)[number];
  deferrable: boolean;
}

export interface Scenario {
  tables: {
    policy: boolean;
    marker: (typeof markerTypes)[number];
    flag: boolean;
    owner: Owner;
  }[];
  keys: Key[];
  /** What each table's policy says of each key; hold where it says nothing. */
  roles: Role[][];
  rows: Row[];
  batchRows: number;
  /** How many rows a batch may look at; from five on, no closure of forty rows is too large. */
  closureRows: number | null;
  useIndexes: boolean;
  restores: number[];
}

export const neverTooLarge = 5;

/** A row that may go by the policy of a table. */
type Node = `${number}:${number}`;

/**
 * The reference: the largest set of rows, due or leading to a due row through children, that no row outside of it holds.
 */
export function shouldGo(scenario: Scenario, restored: Set<number>): Set<number> {
  const { tables, rows, keys } = scenario;
  const byId = new Map(rows.map((row) => [row.id, row]));
  const policies = tables.flatMap((table, t) => (table.policy ? [t] : []));
  const roots = new Set<Node>();
  for (const row of rows) {
    if (row.due && !restored.has(row.id) && tables[row.table]?.policy) {
      roots.add(`${row.table}:${row.id}`);
    }
  }
  let nodes = withChildren(scenario, roots, () => true);
  for (const node of nodes) if (byId.get(idOf(node))?.poison) nodes.delete(node);

  for (let settled = false; !settled; ) {
    settled = true;
    const going = new Set([...nodes].map(idOf));
    for (const row of rows) {
      if (going.has(row.id)) continue;
      row.refs.forEach((ref, k) => {
        if (ref === null || keys[k] === undefined) return;
        for (const policy of policies) {
          if (scenario.roles[policy]?.[k] !== 'release' && nodes.delete(`${policy}:${ref}`)) {
            settled = false;
          }
        }
      });
    }
    const kept = nodes;
    const covered = withChildren(
      scenario,
      new Set([...roots].filter((node) => kept.has(node))),
      (node) => kept.has(node),
    );
    if (covered.size < nodes.size) settled = false;
    nodes = covered;
  }
  return new Set([...nodes].map(idOf));
}

/** The tables of strangers, and those that foreign keys join to them, however many there are between. */
export function nearStrangers({ tables, keys }: Scenario): Set<number> {
  const near = new Set(tables.flatMap(({ owner }, t) => (owner === 'stranger' ? [t] : [])));
  for (const table of near) {
    for (const { from, to } of keys) {
      if (from === table) near.add(to);
      if (to === table) near.add(from);
    }
  }
  return near;
}

const idOf = (node: Node) => Number(node.split(':')[1]);

/** All that leads to the roots through children, each step within what is allowed. */
function withChildren(
  { rows, roles }: Scenario,
  roots: Set<Node>,
  allowed: (node: Node) => boolean,
): Set<Node> {
  const reached = new Set(roots);
  for (const node of reached) {
    const [policy = 0, id] = node.split(':').map(Number);
    for (const row of rows) {
      const child: Node = `${policy}:${row.id}`;
      const refers = row.refs.some((ref, k) => ref === id && roles[policy]?.[k] === 'child');
      if (refers && allowed(child)) reached.add(child);
    }
  }
  return reached;
}

/** The reference of a row that stays is set to null where a policy releases it. */
export function contentAfter(row: Row, gone: Set<number>): (number | null)[] {
  return row.refs.map((ref) => (ref !== null && gone.has(ref) ? null : ref));
}

export const scenarios = fc.integer({ min: 1, max: 4 }).chain((tableCount) => {
  const table = fc.nat({ max: tableCount - 1 });
  const role = fc.oneof(
    { weight: 3, arbitrary: fc.constant<Role>('hold') },
    fc.constantFrom(...roles),
  );
  return fc
    .record({
      tables: fc.array(
        fc.record({
          policy: fc.boolean().map((b) => b || tableCount === 1),
          marker: fc.constantFrom(...markerTypes),
          flag: fc.boolean(),
          owner: fc.oneof(
            { weight: 8, arbitrary: fc.constant<Owner>('below') },
            { weight: 3, arbitrary: fc.constant<Owner>('above') },
            { weight: 1, arbitrary: fc.constant<Owner>('stranger') },
          ),
        }),
        { minLength: tableCount, maxLength: tableCount },
      ),
      keys: fc.array(
        fc.record({
          from: table,
          to: table,
          action: fc.constantFrom(...actions),
          deferrable: fc.boolean(),
        }),
        { maxLength: 6 },
      ),
      wishes: fc.array(fc.array(role, { minLength: 6, maxLength: 6 }), {
        minLength: tableCount,
        maxLength: tableCount,
      }),
      rowSeeds: fc.array(
        fc.record({
          table,
          isDue: fc.boolean(),
          isDueIfMost: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
          picks: fc.array(fc.option(fc.nat(), { freq: 2 }), { minLength: 6, maxLength: 6 }),
        }),
        { maxLength: 40 },
      ),
      poison: fc.oneof(
        { weight: 3, arbitrary: fc.constant<number[]>([]) },
        fc.array(fc.nat({ max: 39 }), { minLength: 1, maxLength: 4 }),
      ),
      // Everything may go, nearly all of it is due, and a batch cannot look at the whole.
      isTooLarge: fc.oneof(
        { weight: 3, arbitrary: fc.constant(false) },
        { weight: 1, arbitrary: fc.constant(true) },
      ),
      // A few rows, chosen one by one, or so many that those which may go unseen go by slices.
      batchRows: fc.oneof(
        { weight: 2, arbitrary: fc.integer({ min: 1, max: 6 }) },
        fc.constant(1_000),
      ),
      closureRows: fc.oneof(fc.constant(null), fc.integer({ min: 1, max: 8 })),
      useIndexes: fc.boolean(),
      restores: fc.oneof(
        fc.constant<number[]>([]),
        fc.array(fc.nat({ max: 39 }), { maxLength: 8 }),
      ),
    })
    .map(({ rowSeeds, wishes, poison, isTooLarge, ...drawn }): Scenario => {
      const rest = isTooLarge
        ? {
            ...drawn,
            tables: drawn.tables.map((table) => ({ ...table, policy: true })),
            batchRows: 1 + (drawn.batchRows % 6),
            closureRows: 2 + (drawn.closureRows ?? 0),
          }
        : drawn;
      const idsOf = (t: number) => rowSeeds.flatMap((seed, id) => (seed.table === t ? [id] : []));
      const rows = rowSeeds.map(
        (seed, id): Row => ({
          id,
          table: seed.table,
          due: isTooLarge ? seed.isDueIfMost : seed.isDue,
          poison: poison.includes(id) ? (id % 2 ? 'raises' : 'returns null') : undefined,
          refs: rest.keys.map((key, k) => {
            const targets = idsOf(key.to);
            const pick = seed.picks[k] ?? null;
            if (key.from !== seed.table || pick === null || targets.length === 0) return null;
            return targets[pick % targets.length] ?? null;
          }),
        }),
      );
      return { ...rest, rows, roles: wishes.map((wished, t) => grantedRoles(t, wished, rest)) };
    });
});

/** What of the wishes can be declared: keys to the table and to its children, and only those that can be released. */
function grantedRoles(
  policy: number,
  wishes: Role[],
  { tables, keys }: Pick<Scenario, 'tables' | 'keys'>,
): Role[] {
  const family = new Set([policy]);
  for (const member of family) {
    keys.forEach((key, k) => {
      if (key.to === member && wishes[k] === 'child') family.add(key.from);
    });
  }
  return keys.map((key, k): Role => {
    const wish = wishes[k] ?? 'hold';
    if (!tables[policy]?.policy || !family.has(key.to)) return 'hold';
    return wish === 'release' && !key.action.startsWith('set ') ? 'hold' : wish;
  });
}
