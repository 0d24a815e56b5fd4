/** What config.toml must say, or a deployment turns the check of the gateway on, which refuses our token. */
export function configOf(names: readonly string[]): string {
  return names.map((name) => `[functions.${name}]\nverify_jwt = false\n`).join('\n');
}

/** No function starts by itself. */
export const startThem =
  "Last, have Supabase Cron start them, with pg_cron and pg_net switched on, in the SQL editor: select nightshift.schedule_with_cron('https://abcd.supabase.co');";

/** What is left to do with functions that were written into the folder of a Supabase project. */
export function nextSteps(configFile: string, names: readonly string[]): string {
  return `Put this into ${configFile}, unless it is there:

${configOf(names)}
Then, in the folder above it: supabase functions deploy ${names.join(' ')}
${startThem}`;
}
