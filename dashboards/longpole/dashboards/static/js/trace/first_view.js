// @ts-check
// What is open and selected at first, and where a reader goes from there.

import { NO_GROUP } from "./columns.js";

/** @typedef {import("./model.js").TraceModel} TraceModel */

/** A first view shows a group's spans one by one only where these are few. */
const MOST_OPENED = 100;
const MOST_BOTTLENECKS = 20;
const LEAST_SHARE = 0.02;

/** Opens what the server says, and what is above the selected row. @param {TraceModel} model */
export function openAtFirst(model) {
  const { header, derived, fold, count } = model;
  const { group } = model.columns;
  for (const row of header.open) {
    fold.open[row] = 1;
    if (group[row] === NO_GROUP || !derived.isGroup[group[row]]) continue;
    const { kind, count: size } = header.groups[group[row]];
    if (kind === "chain" || size <= MOST_OPENED) fold.open[count + group[row]] = 1;
  }
  if (header.selected < 0) return;
  const mine = group[header.selected];
  const asGroup = mine !== NO_GROUP && derived.isGroup[mine] === 1;
  openAbove(model, header.selected, asGroup);
  model.selected = asGroup ? count + mine : header.selected;
}

/**
 * Opens what is above a span. True where something was closed before.
 * @param {TraceModel} model @param {number} span @param {boolean} [asGroup] leave its own group closed
 */
export function openAbove(model, span, asGroup = false) {
  const { parent, group, subtree } = model.columns;
  const { open, ungrouped } = model.fold;
  let isChanged = false;
  const set = (/** @type {Uint8Array} */ flags, /** @type {number} */ at, value = 1) => {
    if (flags[at] !== value) isChanged = true;
    flags[at] = value;
  };
  for (let row = span; row >= 0; row = parent[row]) {
    if (row !== span) set(open, row);
    const mine = group[row];
    if (mine === NO_GROUP || !model.derived.isGroup[mine] || (asGroup && mine === group[span])) continue;
    const members = model.membersOf(mine);
    if (model.header.groups[mine].kind === "siblings") set(open, model.count + mine);
    else if (row !== span && row === members[members.length - 1]) set(open, model.count + mine);
    else if (row === span) {
      set(ungrouped, mine);
      for (const member of members) set(open, member, subtree[member] > 1 ? 1 : 0);
    }
  }
  return isChanged;
}

/** The server's, or the spans with the most time on the path. @param {TraceModel} model @returns {number[]} rows, the worst first */
export function bottlenecksOf(model) {
  if (model.header.bottlenecks.length) return [...new Set(model.header.bottlenecks.map(({ row }) => row))];
  const { critical } = model.columns;
  /** @type {number[]} */
  const rows = [];
  for (let row = 0; row < model.count; row++) if (critical[row] / model.rootTicks >= LEAST_SHARE) rows.push(row);
  return rows.sort((a, b) => critical[b] - critical[a]).slice(0, MOST_BOTTLENECKS);
}

/**
 * The next of some spans after one, around the end; -1 for none.
 * @param {ArrayLike<number>} spans ascending @param {number} here @param {1 | -1} step
 */
export function nextOf(spans, here, step) {
  if (!spans.length) return -1;
  let [low, high] = [0, spans.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[middle] <= here) low = middle + 1;
    else high = middle;
  }
  if (step > 0) return spans[low % spans.length];
  const before = low - (low > 0 && spans[low - 1] === here ? 2 : 1);
  return spans[(before + spans.length) % spans.length];
}
