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
  findings: 30,
  policiesInFull: 12,
  policies: 50,
  views: 30,
  partitionedTables: 8,
};

/** With its styles and its script a page stays below 100 KB, so that it is there at once on a phone as well. */
const mostBytes = 88_000;

/** What does not depend on it, such as the jobs, is why one step may not be enough. */
const mostTries = 5;

/** Renders with as much room as a page has, which depends on how long names are. */
export function fitted(render: (room: Room) => string): string {
  let share = 1;
  let text = '';
  for (let tries = 0; tries < mostTries; tries += 1) {
    text = render(roomOf(share));
    const bytes = new TextEncoder().encode(text).byteLength;
    if (bytes < mostBytes) break;
    share *= (0.7 * mostBytes) / bytes;
  }
  return text;
}

function roomOf(share: number): Room {
  const parts = Object.entries(most).map(([name, n]) => [name, Math.ceil(n * share)]);
  return { ...most, ...Object.fromEntries(parts) };
}
