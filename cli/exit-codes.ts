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

/** Of a command that an error ended: it was asked for what is not there or not valid, or it failed. */
export function exitCodeOf({ code }: { code: string }): number {
  return code === 'NS422' || code === 'NS404' ? exitCodes.usage : exitCodes.failed;
}
