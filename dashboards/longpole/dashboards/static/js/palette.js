// @ts-check
// The command palette, Ctrl K or ⌘ K: a combobox over a listbox in a dialog.

import { allBindings, bind } from "./keys.js";
import { matching, serviceEntries } from "./palette_entries.js";

/** @typedef {import("./palette_entries.js").Entry} Entry */

/** @type {Entry[] | null} what the server knows, asked for when the palette first opens */
let known = null;

/** @returns {Entry[]} */
function places() {
  const links = document.querySelectorAll(".places > a, .tools a");
  return [...links].map((link) => {
    const label = link.getAttribute("aria-label") ?? link.textContent ?? "";
    return { kind: "place", label, address: link.getAttribute("href") ?? "/" };
  });
}

/** @returns {Entry[]} */
function actions() {
  return allBindings()
    .filter(({ key }) => !key.startsWith("g ") && key !== "Ctrl+k")
    .map(({ key, does, part, run }) => ({ kind: "action", label: does,
      detail: part ? `${part}: ${key}` : key, run: () => run(new KeyboardEvent("keydown", { key })) }));
}

async function askServer() {
  if (known) return;
  known = [];
  try {
    const answer = await fetch("/api/v1/services?since=24h");
    if (answer.ok) known = serviceEntries(await answer.json());
  } catch {
    // Without an answer the palette offers places and actions.
  }
}

/** @param {string} name @param {string} className */
function made(name, className) {
  const element = document.createElement(name);
  element.className = className;
  return element;
}

function open() {
  if (document.querySelector("dialog[open]")) return;
  const dialog = /** @type {HTMLDialogElement} */ (made("dialog", "palette"));
  dialog.setAttribute("aria-label", "Go to, or do");
  const input = /** @type {HTMLInputElement} */ (made("input", ""));
  const list = made("ul", "");
  list.id = "palette-list";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Matches");
  for (const [name, value] of [["role", "combobox"], ["aria-expanded", "true"],
    ["aria-controls", list.id], ["aria-autocomplete", "list"], ["autocomplete", "off"],
    ["spellcheck", "false"], ["aria-label", "A place, a service, an action, or a trace id"],
    ["placeholder", "A place, a service, an action, or a trace id"]]) {
    input.setAttribute(name, value);
  }
  dialog.append(input, list);

  /** @type {Entry[]} */
  let shown = [];
  let chosen = 0;
  const here = [...places(), ...actions()];

  const mark = () => {
    [...list.children].forEach((item, place) => {
      item.setAttribute("aria-selected", String(place === chosen));
      if (place === chosen) item.scrollIntoView({ block: "nearest" });
    });
    if (shown.length) input.setAttribute("aria-activedescendant", `palette-${chosen}`);
    else input.removeAttribute("aria-activedescendant");
  };
  const show = () => {
    shown = matching([...here, ...(known ?? [])], input.value);
    chosen = 0;
    list.replaceChildren(...shown.map((entry, place) => {
      const item = made("li", "");
      item.id = `palette-${place}`;
      item.setAttribute("role", "option");
      item.append(Object.assign(made("span", "kind"), { textContent: entry.kind }));
      item.append(Object.assign(made("bdi", "label"), { textContent: entry.label }));
      if (entry.detail) {
        item.append(Object.assign(made("bdi", "muted"), { textContent: entry.detail }));
      }
      item.addEventListener("click", () => take(entry));
      return item;
    }));
    mark();
  };
  /** @param {Entry | undefined} entry */
  const take = (entry) => {
    if (!entry) return;
    dialog.close();
    if (entry.run) entry.run();
    else if (entry.address?.startsWith("/")) location.assign(entry.address);
  };

  input.addEventListener("input", show);
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key] ?? 0;
    if (step && shown.length) {
      chosen = (chosen + step + shown.length) % shown.length;
      mark();
      event.preventDefault();
    } else if (event.key === "Enter") {
      take(shown[chosen]);
      event.preventDefault();
    }
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  show();
  askServer().then(show);
}

bind("Everywhere", [{ key: "Ctrl+k", does: "go to, or do, anything (⌘ K too)", run: open }]);
