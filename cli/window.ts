/** How wide the window is. A pipe has no end; who reads it may say how wide it is with COLUMNS. */
export function windowColumns(): number {
  return process.stdout.columns ?? (Number(process.env.COLUMNS) || Number.POSITIVE_INFINITY);
}
