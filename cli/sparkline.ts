const eighths = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** As many columns as there are values, or `columns` of them, each with the highest of its values. */
function columnsOf(values: readonly (number | null)[], columns: number): (number | null)[] {
  const width = Math.min(columns, values.length);
  return Array.from({ length: width }, (_, n) => {
    const [from, to] = [n, n + 1].map((edge) => Math.floor((edge * values.length) / width));
    const known = values.slice(from, to).filter((value) => value !== null);
    return known.length > 0 ? Math.max(...known) : null;
  });
}

/**
 * Values as bars, each line eight steps high, from the lowest value to the highest: it shows how they move, and not how
 * large they are. A dot stands for days without a figure.
 */
export function bars(values: readonly (number | null)[], columns: number, lines = 1): string[] {
  const shown = columnsOf(values, columns);
  const known = shown.filter((value) => value !== null);
  const [lowest, highest] = [Math.min(...known), Math.max(...known)];
  const steps = lines * eighths.length - 1;
  const scale = highest === lowest ? 0 : steps / (highest - lowest);
  const heights = shown.map((value) => value !== null && Math.round((value - lowest) * scale));
  return Array.from({ length: lines }, (_, line) => {
    const floor = (lines - 1 - line) * eighths.length;
    return heights
      .map((height) => {
        if (height === false) return floor === 0 ? '·' : ' ';
        return eighths[Math.min(height - floor, eighths.length - 1)] ?? ' ';
      })
      .join('');
  });
}
