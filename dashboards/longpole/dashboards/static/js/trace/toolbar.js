// @ts-check
// The line of tabs, fields and buttons above the views: for each key there is something to click.

import { button, element } from "./dom.js";
import { VIEWS } from "./shared.js";

/** @typedef {import("./model.js").TraceModel} TraceModel */
/** @typedef {import("./shared.js").ViewName} ViewName */

const NAMES = /** @type {Record<ViewName, string>} */ ({ waterfall: "Waterfall", flame: "Flame", table: "Table", map: "Map", logs: "Logs" });

/**
 * @param {HTMLElement} host @param {TraceModel} model @param {import("./moves.js").Moves} moves
 * @param {{show: (view: ViewName) => void, find: (query: string) => void, logs: number}} page
 */
export function toolbar(host, model, moves, page) {
  const tabs = element("div", { class: "tabs", role: "tablist", "aria-label": "Views of the trace" });
  VIEWS.forEach((view, i) => {
    const count = view === "logs" && page.logs ? ` ${page.logs.toLocaleString("en")}` : "";
    const tab = element("button", { type: "button", role: "tab", id: `tab-${view}`, "aria-controls": `view-${view}`, "aria-selected": "false", tabindex: "-1", title: `${NAMES[view]} (${i + 1})` },
      element("span", { class: "digit", "aria-hidden": "true", text: String(i + 1) }), NAMES[view], element("span", { class: "muted", text: count }));
    tab.addEventListener("click", () => page.show(view));
    tabs.append(tab);
  });
  tabs.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const at = VIEWS.findIndex((view) => document.activeElement?.id === `tab-${view}`);
    const next = VIEWS[(at + step + VIEWS.length) % VIEWS.length];
    page.show(next);
    document.getElementById(`tab-${next}`)?.focus();
  });

  const input = element("input", { type: "search", placeholder: "Find in trace", "aria-label": "Find in trace: names, >100ms, is:error, kind:server, key=value", maxlength: "500", spellcheck: "false", autocomplete: "off" });
  const counter = element("output", { class: "counter", "aria-live": "polite" });
  const only = button("Only", "Show only what was found, and what is above it", () => model.setMatchesOnly(!model.matchesOnly), { "aria-pressed": "false" });
  input.addEventListener("input", () => page.find(input.value));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") moves.match(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") {
      if (!input.value) input.blur();
      input.value = "";
      page.find("");
    } else return;
    event.preventDefault();
  });
  const find = element("div", { class: "group find", role: "search" }, input, counter,
    button("↑", "Previous match (N)", () => moves.match(-1)), button("↓", "Next match (n)", () => moves.match(1)), only);

  const critical = button("Critical", "Fade what is not on the critical path (c)", () => model.setCriticalOnly(!model.criticalOnly), { "aria-pressed": "false" });
  const grouped = button("Group", "Show repeated spans as one row (u)", () => model.setGrouping(!model.fold.grouped), { "aria-pressed": "true" });
  const count = model.derived.errorRows.length;
  const errors = element("div", { class: "group", hidden: !count }, element("span", { class: "error", title: "Spans with errors", text: `✕ ${count.toLocaleString("en")}` }),
    button("↑", "Previous error (E)", () => moves.error(-1)), button("↓", "Next error (e)", () => moves.error(1)));
  const places = element("div", { class: "group", hidden: !model.bottlenecks.length }, element("span", { title: "Spans that hold the trace up, the worst first", text: `Bottlenecks ${model.bottlenecks.length}` }),
    button("↑", "Previous bottleneck (B)", () => moves.bottleneck(-1)), button("↓", "Next bottleneck (b)", () => moves.bottleneck(1)));
  const fold = element("div", { class: "group" }, button("⊟", "Collapse all ([)", () => model.setAllOpen(false)), button("⊞", "Expand all (])", () => model.setAllOpen(true)));
  const zoom = element("div", { class: "group" }, button("−", "Zoom out (-)", () => moves.zoom(1)), button("+", "Zoom in (+)", () => moves.zoom(-1)), button("All", "The whole trace (0)", moves.whole));
  host.append(tabs, element("div", { class: "bar tools-line" }, find, critical, grouped, errors, places, fold, zoom));

  function update() {
    critical.setAttribute("aria-pressed", String(model.criticalOnly));
    grouped.setAttribute("aria-pressed", String(model.fold.grouped));
    only.setAttribute("aria-pressed", String(model.matchesOnly));
    find.classList.toggle("idle", !model.matches);
    if (!model.matches) counter.textContent = "";
    else {
      const at = model.isSpan(model.selected) ? model.matchRows.indexOf(model.selected) + 1 : 0;
      counter.textContent = `${at ? at.toLocaleString("en") : "–"}/${model.matchRows.length.toLocaleString("en")}`;
    }
  }
  for (const name of ["rows", "look", "find", "select"]) model.addEventListener(name, update);
  // Table and map find, too: the field says what is found, but not while it is being written.
  model.addEventListener("find", () => {
    if (document.activeElement !== input) input.value = model.query;
  });
  update();
  return {
    focusFind() {
      input.focus();
      input.select();
    },
    /** @param {string} query */
    setFind: (query) => (input.value = query),
    /** @param {ViewName} view */
    setView(view) {
      for (const name of VIEWS) {
        const tab = /** @type {HTMLElement} */ (tabs.querySelector(`#tab-${name}`));
        tab.setAttribute("aria-selected", String(name === view));
        tab.tabIndex = name === view ? 0 : -1;
      }
    },
  };
}
