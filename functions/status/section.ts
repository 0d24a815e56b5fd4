import { count } from '../_shared/figures.ts';
import { html, type Markup } from '../_shared/markup.ts';

/** The heading of a section, with what there is to know of it in a few words. */
export function heading(id: string, title: string, summary: string): Markup {
  return html`<h2 id="${id}">${title} <span class="summary">${summary}</span></h2>`;
}

interface Section {
  items: readonly unknown[];
  total: number | null;
  problem: string | null;
}

/** Why a section is empty that should not be. */
export function problemOf({ problem }: Pick<Section, 'problem'>, title: string): Markup | false {
  if (problem === null) return false;
  return html`<p class="notice warn"><strong>${title} could not be read.</strong> ${problem}</p>`;
}

/** What a list leaves out is said. */
export function more(
  { items, total }: Pick<Section, 'items' | 'total'>,
  what: string,
  shown = items.length,
): Markup | false {
  if (total === null || total <= shown) return false;
  return html`<p class="quiet">${count(total - shown)} more ${what} are not shown here.</p>`;
}

/** A table that can be scrolled sideways by keyboard too, where it is wider than the screen. */
export function tableOf(
  label: string,
  head: readonly string[],
  rows: readonly (readonly (Markup | string)[])[],
): Markup {
  return html`<div class="wide" role="region" aria-label="${label}" tabindex="0"><table><thead><tr>${head.map(
    (title) => html`<th scope="col">${title}</th>`,
  )}</tr></thead><tbody>${rows.map(
    ([first = '', ...rest]) =>
      html`<tr><th scope="row">${first}</th>${rest.map((cell) => html`<td>${cell}</td>`)}</tr>`,
  )}</tbody></table></div>`;
}
