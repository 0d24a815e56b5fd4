/** For scripts: see `npm run nightshift -- --help`. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  workLeft: 3,
  notRun: 4,
  warning: 5,
  critical: 6,
} as const;
