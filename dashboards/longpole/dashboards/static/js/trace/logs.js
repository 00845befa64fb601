// @ts-check
// The logs of the trace beside its time: what lies outside of the window fades, what belongs to the selected
// span is marked, a click selects the span.

import { fragment, fragmentAddress } from "./fragment.js";

/** @typedef {import("./model.js").TraceModel} TraceModel */
/** @typedef {import("./shared.js").Shared} Shared */
/** @typedef {{row: HTMLElement, at: number, severity: number, text: string, span: string}} Line `at` in ticks */

/** @param {HTMLElement} host @param {TraceModel} model @param {Shared} shared */
export function mount(host, model, shared) {
  /** @type {Line[]} */
  let lines = [];
  let isShown = true;
  /** The span of the record that was clicked: a row of the waterfall may stand for it and others. */
  let clicked = "";
  const begin = BigInt(model.header.start_unix_nano);
  const input = () => /** @type {HTMLInputElement | null} */ (host.querySelector("input[name=text]"));
  const level = () => /** @type {HTMLSelectElement | null} */ (host.querySelector("select[name=severity]"));

  fragment(host, fragmentAddress(shared, "logs"), () => {
    lines = [...host.querySelectorAll("tr[data-at]")].map((found) => {
      const row = /** @type {HTMLElement} */ (found);
      return { row, at: Number(BigInt(row.dataset.at ?? 0) - begin) / model.tickNs, severity: Number(row.dataset.severity),
        text: (row.textContent ?? "").toLowerCase(), span: row.dataset.span ?? "" };
    });
    input()?.addEventListener("input", filter);
    level()?.addEventListener("change", filter);
    host.querySelector("form")?.addEventListener("submit", (event) => event.preventDefault());
    filter();
    follow();
    mark();
  });

  function filter() {
    const wanted = (input()?.value ?? "").trim().toLowerCase();
    const least = Number(level()?.value ?? 0);
    let shown = 0;
    for (const { row, severity, text } of lines) {
      row.hidden = severity < least || (wanted !== "" && !text.includes(wanted));
      if (!row.hidden) shown++;
    }
    const counter = host.querySelector("output");
    if (counter) counter.textContent = shown === lines.length ? `${shown.toLocaleString("en")}` : `${shown.toLocaleString("en")} of ${lines.length.toLocaleString("en")}`;
  }

  /** What the other views show of time. */
  function follow() {
    if (!isShown) return;
    for (const { row, at } of lines) row.classList.toggle("outside", !model.isWhole && (at < model.from || at > model.to));
  }

  /** The records of the selected span, else where it begins. */
  async function mark() {
    if (!isShown || model.selected < 0 || !lines.length) return;
    const span = model.spanOf(model.selected);
    const [from] = model.extentOf(span);
    const mine = clicked;
    clicked = "";
    const id = await shared.spanId(span).catch(() => "");
    let first = /** @type {HTMLElement | null} */ (null);
    let next = /** @type {HTMLElement | null} */ (null);
    for (const { row, at, span: owner } of lines) {
      const isMine = owner !== "" && (owner === id || owner === mine);
      row.classList.toggle("selected", isMine);
      row.classList.remove("cursor");
      if (row.hidden) continue;
      if (isMine) first ??= row;
      if (at >= from) next ??= row;
    }
    next?.classList.add("cursor");
    (first ?? next)?.scrollIntoView({ block: "nearest" });
  }

  host.addEventListener("click", (event) => {
    const row = event.target instanceof Element && event.target.closest("a") ? event.target.closest("tr") : null;
    clicked = row?.dataset.span ?? "";
  }, { capture: true });
  model.addEventListener("window", follow);
  model.addEventListener("select", mark);
  return {
    shown() {
      isShown = true;
      follow();
      mark();
    },
    left() {
      isShown = false;
    },
  };
}
