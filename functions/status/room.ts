/** How much of each section a page shows. What it leaves out is counted there, and stands in the JSON. */
export interface Room {
  findings: number;
  /** With all that there is to know of them. */
  policiesInFull: number;
  policies: number;
  views: number;
  partitionedTables: number;
}

const most: Room = {
  findings: 40,
  policiesInFull: 20,
  policies: 60,
  views: 50,
  partitionedTables: 12,
};

/** With its styles and its script a page stays below 100 KB, so that it is there at once on a phone as well. */
const mostBytes = 88_000;

const shares = [1, 0.5, 0.25, 0.12];

/** Renders with as much room as a page has, which depends on how long names are. */
export function fitted(render: (room: Room) => string): string {
  let text = '';
  for (const share of shares) {
    const parts = Object.entries(most).map(([name, n]) => [name, Math.ceil(n * share)]);
    text = render({ ...most, ...Object.fromEntries(parts) });
    if (new TextEncoder().encode(text).byteLength < mostBytes) return text;
  }
  return text;
}
