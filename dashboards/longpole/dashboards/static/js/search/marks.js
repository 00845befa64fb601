// @ts-check
// Two traces of a list marked for comparing: a box in the row or `x`, then the bar or `C`.

import { bind } from "../keys.js";
import { currentEntry } from "../list_keys.js";

const KEPT = "longpole-marked";

/**
 * The ids once one is marked or unmarked: at most two, the older one gives way.
 * @param {string[]} ids
 * @param {string} id
 */
export function toggled(ids, id) {
  return ids.includes(id) ? ids.filter((one) => one !== id) : [...ids, id].slice(-2);
}

/** @returns {string[]} */
function remembered() {
  try {
    const ids = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
    return Array.isArray(ids) ? ids.filter((id) => /^[0-9a-f]{32}$/.test(id)).slice(-2) : [];
  } catch {
    return [];
  }
}

/** Makes the rows of the page markable, those that come later too. */
export function marks() {
  const body = document.querySelector("table.list tbody");
  if (!body) return;
  let ids = remembered();
  const bar = document.createElement("div");
  bar.className = "compare-bar";
  bar.setAttribute("role", "status");
  const words = document.createElement("span");
  const go = document.createElement("a");
  go.className = "button";
  go.textContent = "Compare";
  const none = document.createElement("button");
  none.type = "button";
  none.className = "quiet";
  none.textContent = "Unmark";
  bar.append(words, go, none);
  document.querySelector("main")?.append(bar);

  function show() {
    for (const row of /** @type {NodeListOf<HTMLElement>} */ (body?.querySelectorAll("tr"))) {
      const isMarked = ids.includes(row.dataset.trace ?? "");
      row.classList.toggle("marked", isMarked);
      const box = /** @type {HTMLInputElement | null} */ (row.querySelector(".mark input"));
      if (box) {
        box.hidden = false;
        box.checked = isMarked;
      }
    }
    bar.hidden = ids.length === 0;
    go.hidden = ids.length < 2;
    words.textContent = ids.length === 2 ? "Two traces are marked." : "Mark a second trace to compare.";
    if (ids.length === 2) go.href = `/compare?a=${ids[0]}&b=${ids[1]}`;
    try {
      sessionStorage.setItem(KEPT, JSON.stringify(ids));
    } catch {
      // Marks then last as long as the page.
    }
  }

  /** @param {string | undefined} id */
  function mark(id) {
    if (!id) return;
    ids = toggled(ids, id);
    show();
  }

  body.addEventListener("change", (event) => {
    const box = /** @type {HTMLElement} */ (event.target);
    if (box.closest(".mark")) mark(box.closest("tr")?.dataset.trace);
  });
  none.addEventListener("click", () => {
    ids = [];
    show();
  });
  new MutationObserver(show).observe(body, { childList: true });
  bind("Lists", [
    { key: "x", does: "mark for comparing", run: () => mark(currentEntry()?.dataset.trace) },
    { key: "C", does: "compare the two marked", run: () => { if (ids.length === 2) go.click(); } },
  ]);
  show();
}
