import type { Page } from '../_shared/document.ts';
import { html } from '../_shared/markup.ts';
import { banner, type Viewer } from './page.ts';
import { styles } from './styles.ts';

/** Where a run begins: with a dry run, which says what would go and asks whether to do it. */
export function jobPage(job: string, purpose: string, viewer: Viewer): Page {
  const { root } = viewer;
  const body = html`<a class="skip" href="#main">To the content</a>
${banner(viewer, 'a job')}
<main id="main" class="narrow">
<h1>Run ${job}</h1>
<p>${purpose}</p>
<p>First a dry run says what would be done, and changes nothing. Its page then asks whether to do it.</p>
<form method="post" action="${root}jobs/${job}/runs"><p><label for="why">Why</label><input type="text" id="why" name="why" required maxlength="200" autocomplete="off"></p><p><button data-busy="Looking…">Dry run</button></p></form>
<p><a href="${root}status">Back to the status</a></p>
</main>`;
  return { title: `Run ${job}`, level: 'none', styles, body };
}
