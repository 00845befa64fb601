// @ts-check
// A text field that offers what may stand at the cursor (ARIA combobox with a list box). Arrows
// choose, Enter takes what is chosen and searches otherwise, Escape closes.

import { inserted, stepped } from "./insertion.js";

/** @typedef {import("./insertion.js").Completion} Completion */

const WAIT_MS = 90;

/** @param {HTMLInputElement} input */
export function combobox(input) {
  const list = document.createElement("ul");
  list.className = "options";
  list.id = "ask-options";
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Completions");
  input.after(list);
  for (const [name, value] of Object.entries({
    role: "combobox", "aria-expanded": "false", "aria-controls": list.id,
    "aria-autocomplete": "list", "aria-haspopup": "listbox",
  })) input.setAttribute(name, value);

  /** @type {Completion | null} */
  let offered = null;
  let chosen = -1;
  let asked = 0;
  /** @type {number | undefined} */
  let timer;

  function close() {
    window.clearTimeout(timer);
    asked += 1;
    offered = null;
    chosen = -1;
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  /** @param {number} place */
  function choose(place) {
    chosen = place;
    [...list.children].forEach((entry, at) => {
      entry.setAttribute("aria-selected", String(at === place));
      if (at === place) entry.scrollIntoView({ block: "nearest" });
    });
    if (place < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", `ask-option-${place}`);
  }

  /** @param {number} place */
  function take(place) {
    if (!offered) return;
    const { text, cursor } = inserted(input.value, offered, place);
    const isDone = offered.options[place].text === "}";
    input.value = isDone ? text.trimEnd() : text;
    input.setSelectionRange(cursor, cursor);
    input.focus();
    close();
    if (!isDone) void offer();
  }

  /** @param {Completion} completion */
  function show(completion) {
    offered = completion;
    list.replaceChildren(...completion.options.map((option, at) => {
      const entry = document.createElement("li");
      entry.id = `ask-option-${at}`;
      entry.setAttribute("role", "option");
      const text = document.createElement("span");
      text.className = "text";
      text.textContent = option.label;
      const detail = document.createElement("span");
      detail.className = "detail";
      detail.textContent = option.count === null ? option.detail : `${option.count} traces`;
      entry.append(text, detail);
      // Before the field loses the focus.
      entry.addEventListener("mousedown", (event) => {
        event.preventDefault();
        take(at);
      });
      return entry;
    }));
    const isOpen = completion.options.length > 0;
    list.hidden = !isOpen;
    input.setAttribute("aria-expanded", String(isOpen));
    choose(-1);
  }

  async function offer() {
    const number = ++asked;
    const here = new URLSearchParams(location.search);
    const query = new URLSearchParams({
      q: input.value, at: String(input.selectionStart ?? input.value.length),
    });
    for (const name of ["since", "from", "to"]) {
      const value = here.get(name);
      if (value) query.set(name, value);
    }
    if (!here.get("from") && !here.get("since") && !here.get("to")) query.set("since", "1h");
    try {
      const response = await fetch(`/api/v1/completion?${query}`);
      if (!response.ok || number !== asked || document.activeElement !== input) return;
      const completion = await response.json();
      if (number === asked) show(completion);
    } catch {
      // Without completions it is still a text field.
    }
  }

  function soon() {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => void offer(), WAIT_MS);
  }

  input.addEventListener("input", soon);
  input.addEventListener("click", soon);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (offered) choose(stepped(offered.options.length, chosen, event.key === "ArrowDown" ? 1 : -1));
      else void offer();
    } else if (event.key === "Enter" && offered && chosen >= 0) {
      event.preventDefault();
      take(chosen);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    } else if (event.key === " " && event.ctrlKey) {
      event.preventDefault();
      void offer();
    }
  });
}
