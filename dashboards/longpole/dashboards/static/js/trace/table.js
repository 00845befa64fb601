// @ts-check
// The table view: spans counted by operation, service, kind or group. A click shows them in the waterfall.

import { KIND_MASK } from "./columns.js";
import { button, element } from "./dom.js";
import { duration, percent } from "./duration.js";
import { inert } from "./inert.js";
import { layouts } from "./layouts.js";

/** @typedef {import("./model.js").TraceModel} TraceModel */
/** @typedef {import("./shared.js").Shared} Shared */
/** @typedef {import("./tally.js").By} By */
/** @typedef {import("./tally.js").Tally} Tally */

/** More rows say nothing to a reader; the sorting decides which are shown. */
const MOST_ROWS = 500;
const NAME = 160;
const KINDS = /** @type {const} */ ([["operation", "Operation"], ["service", "Service"], ["kind", "Kind"], ["group", "Group"]]);
/** Columns of figures: name in the tally, heading, whether it is a time. */
const FIGURES = /** @type {const} */ ([
  ["count", "Spans", false], ["errors", "Errors", false], ["critical", "Critical path", true], ["self", "Self", true],
  ["total", "Total", true], ["median", "p50", true], ["max", "Max", true],
]);
const PARAMETER = "by";

/** @param {HTMLElement} host @param {TraceModel} model @param {Shared} shared */
export function mount(host, model, shared) {
  const { header, columns, derived } = model;
  const kinds = element("div", { class: "group", role: "group", "aria-label": "Count by" });
  const note = element("span", { class: "muted" });
  const body = element("tbody");
  const head = element("tr");
  const caption = element("caption", { class: "unseen" });
  const table = element("table", { class: "tally" }, caption, element("thead", {}, head), body);
  const state = element("p", { class: "muted", role: "status" });
  host.append(element("div", { class: "bar view-tools" }, element("span", { class: "muted", text: "Count by" }), kinds, note),
    element("div", { class: "tally-scroll", tabindex: "0", role: "region", "aria-label": "Spans by operation, service, kind or group" }, table), state);

  const asked = new URLSearchParams(location.search).get(PARAMETER);
  let by = /** @type {By} */ (KINDS.some(([name]) => name === asked) ? asked : "operation");
  let sort = /** @type {typeof FIGURES[number][0] | "name"} */ ("critical");
  let isDown = true;
  /** @type {Tally | null} */
  let found = null;

  for (const [name, text] of KINDS) {
    if (name === "group" && !header.groups.length) continue;
    kinds.append(button(text, `Count by ${name}`, () => choose(name), { "data-by": name }));
  }

  /** @param {By} name */
  function choose(name) {
    by = name;
    const address = new URL(location.href);
    if (by === "operation") address.searchParams.delete(PARAMETER);
    else address.searchParams.set(PARAMETER, by);
    history.replaceState(history.state, "", address);
    count();
  }

  // ---- counting ----

  /** The key of each row, and how many keys there are. @returns {[Int32Array, number]} */
  function keysOf() {
    const { op, flags, group } = columns;
    if (by === "group") return [group, header.groups.length];
    if (by === "kind") return [Int32Array.from(flags, (bits) => bits & KIND_MASK), KIND_MASK + 1];
    if (by === "operation") return [Int32Array.from(op), header.operations.length];
    return [Int32Array.from(op, (operation) => derived.opService[operation]), header.services.length];
  }

  async function count() {
    for (const made of kinds.children) made.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (made).dataset.by === by));
    const mine = by;
    state.textContent = "Counting …";
    try {
      const tally = await layouts(model).tally(mine, ...keysOf());
      if (mine !== by) return;
      found = tally;
      state.textContent = "";
      fill();
    } catch (error) {
      state.textContent = `The spans could not be counted: ${error instanceof Error ? error.message : error}`;
    }
  }

  // ---- names ----

  /** @param {number} key @returns {{service: number, name: string}} */
  function named(key) {
    if (by === "service") return { service: key, name: header.services[key].name };
    if (by === "operation") return { service: header.operations[key].service, name: header.operations[key].name };
    if (by === "kind") return { service: -1, name: header.kinds[key] ?? String(key) };
    const { label, first_row } = header.groups[key];
    return { service: model.serviceOf(first_row), name: label };
  }

  /** Shows the spans of a key in the waterfall, as a question that a reader could have typed. @param {number} key */
  function show(key) {
    const [keys] = keysOf();
    const matches = Uint8Array.from(keys, (value) => (value === key ? 1 : 0));
    const { service, name } = named(key);
    const word = (/** @type {string} */ text) => (/[\s"]/.test(text) ? `"${text.replaceAll('"', " ").trim()}"` : text);
    const query = by === "service" ? word(`service:${name}`) : by === "kind" ? word(`kind:${name}`)
      : [word(`service:${header.services[service].name}`), word(`name:${name}`)].join(" ");
    model.setMatches(query.slice(0, 500), matches);
    shared.show("waterfall");
    if (model.matchRows.length) model.select(model.matchRows[0], { grouped: by === "group" });
    shared.say(`${model.matchRows.length.toLocaleString("en")} spans found; n goes to the next`);
  }

  // ---- the table ----

  /** @param {number} i place in the tally @param {typeof FIGURES[number][0]} figure */
  const valueOf = (i, figure) => /** @type {Tally} */ (found)[figure][i];

  function order() {
    const tally = /** @type {Tally} */ (found);
    const places = Array.from(tally.key, (_, i) => i);
    const sign = isDown ? -1 : 1;
    if (sort === "name") {
      const names = Array.from(tally.key, (key) => named(key).name);
      return places.sort((a, b) => sign * names[a].localeCompare(names[b]) || a - b);
    }
    const values = tally[sort];
    return places.sort((a, b) => sign * (values[a] - values[b]) || tally.total[b] - tally.total[a] || a - b);
  }

  /** @param {string} text @param {typeof sort} figure @param {boolean} isNumber */
  function heading(text, figure, isNumber) {
    const made = button(text, `Sort by ${text.toLowerCase()}`, () => {
      isDown = sort === figure ? !isDown : figure !== "name";
      sort = figure;
      fill();
      /** @type {HTMLElement | null} */ (head.querySelector(`[data-figure=${figure}] button`))?.focus();
    }, { class: "quiet" });
    return element("th", { scope: "col", "data-figure": figure, class: isNumber ? "number" : undefined,
      "aria-sort": sort === figure ? (isDown ? "descending" : "ascending") : undefined }, made);
  }

  function fill() {
    if (!found) return;
    const tally = found;
    const title = KINDS.find(([name]) => name === by)?.[1] ?? "";
    head.replaceChildren(heading(title, "name", false), ...FIGURES.map(([figure, text]) => heading(text, figure, true)));
    caption.textContent = `Spans of the trace by ${by}`;
    const places = order();
    const shown = places.slice(0, MOST_ROWS);
    note.textContent = shown.length < places.length ? `${shown.length} of ${places.length.toLocaleString("en")} rows; sort or find to see others` : `${places.length.toLocaleString("en")} ${places.length === 1 ? "row" : "rows"}`;
    const whole = { critical: sum(tally.critical), self: sum(tally.self) };
    body.replaceChildren(...shown.map((i) => rowOf(i, whole)));
  }

  /** @param {number} i @param {{critical: number, self: number}} whole */
  function rowOf(i, whole) {
    const tally = /** @type {Tally} */ (found);
    const { service, name } = named(tally.key[i]);
    const shown = inert(name, NAME);
    const open = button(shown, "Show these spans in the waterfall", () => show(tally.key[i]), { class: "quiet named" });
    const first = element("th", { scope: "row", class: "name" });
    if (service >= 0) first.append(element("span", { class: `key c${(((header.services[service].colour | 0) % 16) + 16) % 16}` }));
    if (service >= 0 && by !== "service") first.append(element("span", { class: "service", text: inert(header.services[service].name, NAME) }), " ");
    first.append(open);
    const row = element("tr", {}, first);
    for (const [figure, , isTime] of FIGURES) {
      const value = valueOf(i, figure);
      const cell = element("td", { class: `number of-${figure}` });
      if (figure === "critical" || figure === "self") {
        const share = value / Math.max(1, whole[figure]);
        const bar = element("span", { class: "share-bar", "aria-hidden": "true" });
        bar.style.setProperty("--share", String(share));
        cell.append(bar, value ? duration(model.ns(value)) : "–", ...(figure === "critical" ? [element("span", { class: "muted share", text: value ? ` ${percent(share)}` : "" })] : []));
      } else if (figure === "max") {
        cell.append(button(duration(model.ns(value)), "Go to the longest", () => shared.select(tally.longest[i], { reveal: true }), { class: "quiet" }));
      } else if (figure === "errors") {
        cell.append(value ? element("span", { class: "error", text: `✕ ${value.toLocaleString("en")}` }) : element("span", { class: "muted", text: "–" }));
      } else cell.append(isTime ? duration(model.ns(value)) : value.toLocaleString("en"));
      row.append(cell);
    }
    return row;
  }

  count();
  return {};
}

/** @param {Float64Array} values */
function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
