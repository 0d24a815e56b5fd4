import type { Page } from '../_shared/document.ts';
import { html } from '../_shared/markup.ts';
import { styles } from './styles.ts';

/** Asks for a token, which never stands in an address. */
export function loginPage(root: string, problem?: string): Page {
  return {
    title: 'Log in',
    level: 'none',
    styles,
    body: html`<main class="narrow">
<h1>Nightshift</h1>
${problem !== undefined && html`<p class="notice bad" role="alert">${problem}</p>`}
<form method="post" action="${root}status/login">
<p><label for="name">Your name, for the ledger</label><input type="text" id="name" name="name" maxlength="60" autocomplete="username"></p>
<p><label for="token">Token</label><input type="password" id="token" name="token" required autocomplete="current-password"></p>
<p><button>Log in</button></p>
</form>
<p class="quiet">NIGHTSHIFT_STATUS_TOKEN shows the status. NIGHTSHIFT_HTTP_TOKEN also starts and stops runs; these are recorded with your name.</p>
</main>`,
  };
}
