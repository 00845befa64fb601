// @ts-check
// The rows of the waterfall as elements: as many as fit on the screen, filled anew while scrolling.
// They carry all text, the focus and the structure for screen readers; time is on the canvas.

import { FLAG } from "./columns.js";
import { colourClass, element } from "./dom.js";
import { duration, percent } from "./duration.js";
import { INDENT_PX } from "./geometry.js";
import { inert } from "./inert.js";

/** @typedef {import("./model.js").TraceModel} TraceModel */

const RANKS = 3;
/**
 * @typedef {object} Row
 * @property {HTMLElement} box
 * @property {HTMLElement} indent
 * @property {HTMLElement} caret
 * @property {HTMLElement} rank
 * @property {HTMLElement} badge
 * @property {HTMLElement} dot
 * @property {HTMLElement} cross
 * @property {HTMLElement} service
 * @property {HTMLElement} operation
 * @property {HTMLElement} more
 * @property {HTMLElement} self
 * @property {HTMLElement} total
 * @property {string} colour class of the dot
 * @property {number} place
 * @property {number} stamp
 */

/** @returns {Row} */
function makeRow() {
  const indent = element("span", { class: "indent", "aria-hidden": "true" });
  const caret = element("span", { class: "caret", "aria-hidden": "true" });
  const rank = element("span", { class: "rank", title: "Place in the verdict" });
  const badge = element("span", { class: "repeat" });
  const dot = element("span", { class: "key", "aria-hidden": "true" });
  const cross = element("span", { class: "cross" });
  const service = element("bdi", { class: "service" });
  const operation = element("bdi", { class: "operation" });
  const more = element("span", { class: "more" });
  const name = element("div", { role: "gridcell", class: "name" }, indent, caret, dot, rank, cross, badge, service, operation, more);
  const self = element("div", { role: "gridcell", class: "self" });
  const total = element("div", { role: "gridcell", class: "total" });
  const box = element("div", { role: "row", class: "row", tabindex: "-1" }, name, self, total);
  return { box, indent, caret, rank, badge, dot, cross, service, operation, more, self, total, colour: "", place: -1, stamp: -1 };
}

/** @param {HTMLElement} host @param {TraceModel} model */
export function rowPool(host, model) {
  /** @type {Row[]} */
  const pool = [];
  /** Places in the verdict of the spans and groups in it. @type {Map<number, number>} */
  const ranks = new Map();
  model.bottlenecks.slice(0, RANKS).forEach((span, i) => {
    const group = model.columns.group[span];
    for (const code of group < 0 ? [span] : [span, model.count + group]) if (!ranks.has(code)) ranks.set(code, i);
  });

  /**
   * Shows rows `first` to `last`. `stamp` changes whenever rows mean something else than before.
   * @param {number} first @param {number} last @param {number} stamp @param {number} offset px @param {number} height px of a row
   * @param {number} indentBy levels left out
   */
  function show(first, last, stamp, offset, height, indentBy) {
    while (pool.length < last - first) {
      const row = makeRow();
      pool.push(row);
      host.append(row.box);
      // The places of rows in the pool change with its size.
      for (const each of pool) each.stamp = -1;
    }
    const isShown = new Set();
    for (let place = first; place < last; place++) {
      const row = pool[place % pool.length];
      isShown.add(row);
      if (row.place !== place || row.stamp !== stamp) fill(row, place, indentBy);
      row.place = place;
      row.stamp = stamp;
      row.box.hidden = false;
      row.box.style.transform = `translateY(${Math.round(offset + (place - first) * height)}px)`;
    }
    for (const row of pool) if (!isShown.has(row)) putAway(row);
  }

  /**
   * Takes a row off the screen. It is filled before it is shown again: it must not stay the selected
   * one beside the row that is.
   * @param {Row} row
   */
  function putAway(row) {
    if (row.box.hidden) return;
    row.box.hidden = true;
    row.stamp = -1;
    row.box.tabIndex = -1;
    row.box.setAttribute("aria-selected", "false");
    row.box.classList.remove("selected");
  }

  /** @param {Row} row @param {number} place @param {number} indentBy */
  function fill(row, place, indentBy) {
    const { rows } = model;
    const code = rows.codes[place];
    const level = rows.depths[place];
    const isSelected = code === model.selected;
    row.indent.style.width = `${Math.max(0, level - indentBy) * INDENT_PX}px`;
    const canOpen = model.canOpen(code);
    const isOpen = canOpen && model.isOpen(code);
    row.caret.textContent = canOpen ? (isOpen ? "▾" : "▸") : "";
    row.box.setAttribute("aria-rowindex", String(place + 2));
    row.box.setAttribute("aria-level", String(level + 1));
    row.box.setAttribute("aria-selected", String(isSelected));
    if (canOpen) row.box.setAttribute("aria-expanded", String(isOpen));
    else row.box.removeAttribute("aria-expanded");
    row.box.tabIndex = isSelected ? 0 : -1;
    row.box.classList.toggle("selected", isSelected);
    row.box.classList.toggle("gap", model.isGap(code));
    if (model.isGap(code)) fillGap(row, code);
    else fillSpan(row, code, isOpen);
    row.box.setAttribute("aria-label", sentence(code, row));
  }

  /** @param {Row} row @param {number} code */
  function fillGap(row, code) {
    row.dot.hidden = row.rank.hidden = row.cross.hidden = row.badge.hidden = row.more.hidden = true;
    row.service.textContent = "no spans";
    row.service.hidden = false;
    const { where } = /** @type {{where?: string}} */ (model.gapOf(code));
    row.operation.textContent = where ? inert(where) : "";
    row.self.textContent = "";
    row.total.textContent = duration(model.totalNs(code));
    // The row may have shown a span before.
    row.box.classList.remove("failed", "found", "faded");
    row.box.classList.toggle("onpath", model.criticalOf(code) > 0);
  }

  /** @param {Row} row @param {number} code @param {boolean} isOpen */
  function fillSpan(row, code, isOpen) {
    const isGroup = model.isGroup(code);
    const span = isGroup ? model.membersOf(code - model.count)[0] : code;
    const service = model.header.services[model.serviceOf(span)];
    const { name } = service;
    const wanted = colourClass(service);
    if (row.colour !== wanted) row.dot.className = `key ${(row.colour = wanted)}`;
    row.dot.hidden = false;
    const group = isGroup ? model.groupOf(code) : null;
    row.badge.hidden = !group;
    if (group) row.badge.textContent = `×${group.count}`;
    row.service.textContent = inert(name);
    // A service is written where it changes from row to row above; the dot has its colour in any case.
    row.service.hidden = isSameAbove(code, span);
    const rank = ranks.get(code);
    row.rank.hidden = rank === undefined;
    if (rank !== undefined) row.rank.textContent = String(rank + 1);
    row.operation.textContent = inert(group ? group.label || model.operation(span) : model.operation(span));
    const isError = !isGroup && model.has(code, FLAG.ERROR);
    const errors = model.errorsIn(code) - (isError ? 1 : 0);
    row.cross.hidden = !isError && (isOpen || !errors);
    row.cross.textContent = isError ? "✕" : `✕${errors}`;
    row.cross.classList.toggle("inside", !isError);
    const below = model.belowOf(code);
    row.more.hidden = isOpen || !below || isGroup;
    if (!row.more.hidden) row.more.textContent = `+${below.toLocaleString("en")}`;
    row.self.textContent = duration(model.ns(model.selfOf(code)));
    row.total.textContent = duration(model.totalNs(code));
    row.box.classList.toggle("failed", isError);
    row.box.classList.toggle("onpath", model.criticalOf(code) > 0);
    row.box.classList.toggle("faded", fadedNow(code));
    row.box.classList.toggle("found", model.isSpan(code) && model.matches?.[code] === 1);
  }

  /** Whether the span above is of the same service, and on screen. @param {number} code @param {number} span */
  function isSameAbove(code, span) {
    const above = model.columns.parent[span];
    return above >= 0 && code !== model.rows.codes[0] && model.serviceOf(above) === model.serviceOf(span) && !model.fold.hidden && !model.fold.keep;
  }

  /** @param {number} code */
  function fadedNow(code) {
    if (model.criticalOnly && model.criticalOf(code) === 0) return true;
    return model.matches !== null && model.isSpan(code) && !model.matches[code];
  }

  /** What a screen reader says. @param {number} code @param {Row} row */
  function sentence(code, row) {
    const path = model.criticalOf(code);
    const parts = [
      `${row.service.textContent} ${row.operation.textContent}`.trim(),
      model.isGroup(code) ? `${model.groupOf(code).count} spans, ${model.groupOf(code).order}` : "",
      row.rank.hidden ? "" : `bottleneck ${(ranks.get(code) ?? 0) + 1}`,
      row.cross.hidden ? "" : row.cross.classList.contains("inside") ? `${row.cross.textContent.slice(1)} errors inside` : "error",
      `total ${row.total.textContent}`,
      row.self.textContent ? `self ${row.self.textContent}` : "",
      path > 0 ? `on the critical path ${duration(model.ns(path))}, ${percent(path / model.rootTicks)}` : "",
    ];
    return parts.filter(Boolean).join(", ");
  }

  return {
    show,
    /** The element of a row on screen, null for others. @param {number} place */
    at: (place) => pool.find((row) => row.place === place && !row.box.hidden)?.box ?? null,
    /** The place of the row that holds an element, -1 for none. @param {EventTarget | null} target */
    placeOf: (target) => pool.find((row) => target instanceof Node && row.box.contains(target) && !row.box.hidden)?.place ?? -1,
  };
}
