// @ts-check
// Lists by keyboard: j and k go from entry to entry of whatever is marked with data-list, and
// Enter, which is the browser's own, opens the link that has the focus.
//
//     <table data-list> … <tr><td><a href="…">first link of the row</a></td></tr> …
//     <ul data-list> … <li><a href="…">…</a></li> …

import { bind } from "./keys.js";

const ENTRIES = "[data-list] > tbody > tr, [data-list] > li";

/**
 * The entries of all lists of the page that are shown and have a link, in order.
 * @returns {HTMLElement[]}
 */
export function entries() {
  const all = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(ENTRIES));
  return [...all].filter((entry) => entry.querySelector("a[href]") && entry.offsetParent !== null);
}

/**
 * The entry that has the focus, or holds what has it; null for none.
 * @returns {HTMLElement | null}
 */
export function currentEntry() {
  return document.activeElement?.closest(ENTRIES) ?? null;
}

/**
 * Which entry comes next. Without a current one the first, whichever the direction.
 * @param {number} count of entries
 * @param {number} current its place, -1 for none
 * @param {number} step 1 or -1
 */
export function next(count, current, step) {
  if (count === 0) return -1;
  return current < 0 ? 0 : Math.max(0, Math.min(count - 1, current + step));
}

/** @param {number} step */
function go(step) {
  const all = entries();
  const current = currentEntry();
  const at = next(all.length, current ? all.indexOf(current) : -1, step);
  if (at < 0) return;
  const link = /** @type {HTMLElement} */ (all[at].querySelector("a[href]"));
  link.focus({ preventScroll: true });
  all[at].scrollIntoView({ block: "nearest" });
}

if (document.querySelector("[data-list]")) {
  bind("Lists", [
    { key: "j", does: "next entry", run: () => go(1) },
    { key: "k", does: "previous entry (Enter opens it)", run: () => go(-1) },
  ]);
}
