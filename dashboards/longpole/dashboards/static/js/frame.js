// @ts-check
// What every page has: the keys of the header, the list of keys, the theme.

import { allBindings, bind } from "./keys.js";
import "./menus.js";
import "./palette.js";
import "./when.js";

const YEAR_SECONDS = 31536000;

/** @param {string} name @param {string} value */
export function remember(name, value) {
  document.cookie = `${name}=${value}; path=/; max-age=${YEAR_SECONDS}; samesite=lax`;
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function switchTheme() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  remember("longpole_theme", theme);
  // Canvases read their colours from the tokens and have to draw again.
  document.dispatchEvent(new CustomEvent("themechange"));
}

function showKeys() {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-label", "Keyboard keys");
  const heading = dialog.appendChild(document.createElement("h1"));
  heading.textContent = "Keys";
  /** @type {Map<string, HTMLTableElement>} */
  const tables = new Map();
  for (const { key, does, part = "" } of allBindings()) {
    if (!tables.has(part)) {
      dialog.appendChild(document.createElement("h2")).textContent = part;
      tables.set(part, dialog.appendChild(document.createElement("table")));
    }
    const row = /** @type {HTMLTableElement} */ (tables.get(part)).insertRow();
    for (const piece of key.split(" ")) {
      const cell = row.cells[0] ?? row.insertCell();
      cell.append(Object.assign(document.createElement("kbd"), { textContent: piece }), " ");
    }
    row.insertCell().textContent = does;
  }
  const close = dialog.appendChild(document.createElement("button"));
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

for (const link of document.querySelectorAll(".places a[data-key]")) {
  const { key } = /** @type {HTMLElement} */ (link).dataset;
  bind("Everywhere", [{ key: `g ${key}`, does: link.textContent ?? "",
    run: () => /** @type {HTMLAnchorElement} */ (link).click() }]);
}
bind("Everywhere", [
  { key: "/", does: "search", run: () => {
    const input = /** @type {HTMLInputElement | null} */ (
      document.querySelector("main input[type=search], main textarea[name=q]")
      ?? document.querySelector(".seek input"));
    input?.focus();
    input?.select();
  } },
  { key: "T", does: "light or dark", run: switchTheme },
  { key: "?", does: "these keys", run: showKeys },
]);

/** @type {Record<string, () => void>} */
const actions = { theme: switchTheme, keys: showKeys };
for (const button of document.querySelectorAll(".tools button[data-does]")) {
  const element = /** @type {HTMLButtonElement} */ (button);
  element.hidden = false;
  element.addEventListener("click", () => actions[element.dataset.does ?? ""]?.());
}
