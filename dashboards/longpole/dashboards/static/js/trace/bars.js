// @ts-check
// Draws the time of the rows on screen: grid, bars, path, markers. Only what is visible is touched, so a
// frame costs what 60 rows cost; a row that stands for many (a group, a folded tree) is drawn by pixel.

import { FLAG } from "./columns.js";
import { duration, percent, rulerStep } from "./duration.js";
import { placeLabel } from "./geometry.js";

/** @typedef {import("./model.js").TraceModel} TraceModel */
/** @typedef {import("./shared.js").Shared} Shared */
/** @typedef {import("./shared.js").Colours} Colours */
/** @typedef {import("./geometry.js").Scale} Scale */
/**
 * @typedef {object} Frame what is on screen
 * @property {number} first place of the first row
 * @property {number} last place after the last
 * @property {number} offset px of the first row above the upper edge, 0 or negative
 * @property {number} row px of a row
 * @property {number} bar px from the top of a row to its bar
 * @property {number} width px of the canvas
 * @property {number} height px of the canvas
 * @property {Scale} scale
 * @property {number} pointer x of the pointer, -1 for none
 * @property {boolean} hasGrid
 */

const BAR_PX = 11;
const INK_PX = 3;
const FADED = 0.3;
const DIMMED = 0.25;
const ASYNC = 0.7;
const LEAST_BAR_PX = 2;
const LEAST_SHARE = 0.05;
const WARN = 13;
const ERROR = 17;

/**
 * @param {CanvasRenderingContext2D} context @param {TraceModel} model @param {Shared} shared @param {Frame} frame
 */
export function paint(context, model, shared, frame) {
  const colours = shared.colours();
  // On a phone the bars lie below names: lines would cross the text.
  if (frame.hasGrid) grid(context, model, colours, frame);
  context.font = `11px ${colours.sans}`;
  context.textBaseline = "middle";
  context.save();
  context.beginPath();
  context.rect(frame.scale.left, 0, frame.scale.width, frame.height);
  context.clip();
  for (let place = frame.first; place < frame.last; place++) {
    const code = model.rows.codes[place];
    const y = frame.offset + (place - frame.first) * frame.row + frame.bar;
    if (model.isGap(code)) gapBar(context, model, colours, frame, code, y);
    else rowBar(context, model, shared, colours, frame, code, y);
  }
  context.restore();
  if (frame.pointer >= frame.scale.left) {
    context.fillStyle = colours.lineStrong;
    context.fillRect(Math.round(frame.pointer), 0, 1, frame.height);
  }
}

/** @param {CanvasRenderingContext2D} context @param {TraceModel} model @param {Colours} colours @param {Frame} frame */
function grid(context, model, colours, { scale, height }) {
  context.fillStyle = colours.line;
  const step = rulerStep(model.ns(model.to - model.from), scale.width / 110) / model.tickNs;
  for (let tick = Math.ceil(model.from / step) * step; tick <= model.to; tick += step) {
    context.fillRect(Math.round(scale.x(tick)), 0, 1, height);
  }
}

/**
 * @param {CanvasRenderingContext2D} context @param {TraceModel} model @param {Shared} shared @param {Colours} colours
 * @param {Frame} frame @param {number} code @param {number} y
 */
function rowBar(context, model, shared, colours, { scale }, code, y) {
  const span = model.isSpan(code) ? code : model.membersOf(code - model.count)[0];
  const [from, to] = model.extentOf(code);
  const right = scale.left + scale.width;
  const x0 = scale.x(from);
  const x1 = Math.max(x0 + LEAST_BAR_PX, scale.x(to));
  const isOff = x1 < scale.left || x0 > right;
  const isOpen = model.isOpen(code) && model.canOpen(code);
  const hasPath = model.criticalOf(code) > 0;
  const isShown = !model.matches || matchesIn(model, code, isOpen);
  const alpha = (model.criticalOnly && !pathIn(model, code, isOpen) ? FADED : 1) * (isShown ? 1 : DIMMED);
  context.globalAlpha = alpha;
  if (isOff) {
    arrow(context, colours, x0 > right ? right - 4 : scale.left + 4, y + BAR_PX / 2, x0 > right ? 1 : -1);
    context.globalAlpha = 1;
    return;
  }
  const [a, b] = [Math.max(scale.left - 4, x0), Math.min(right + 4, x1)];
  const service = model.serviceOf(span);
  const fill = shared.barColour(service);
  if (model.isGroup(code) && model.groupOf(code).kind === "siblings") members(context, model, scale, code, y, fill, colours);
  else {
    context.globalAlpha = alpha * (model.has(span, FLAG.ASYNC) ? ASYNC : 1);
    context.fillStyle = fill;
    block(context, a, y, b - a, BAR_PX);
    if (model.header.services[service].hatched) hatch(context, a, b, y, colours.ground);
    if (colours.isForced) outline(context, a, y, b - a, colours.text, 1);
    context.globalAlpha = alpha;
  }
  const isError = model.isSpan(code) && model.has(code, FLAG.ERROR);
  if (isError) outline(context, a, y, b - a, colours.error, 1.5);
  path(context, model, scale, code, isOpen, y + BAR_PX + 1, colours);
  if (model.isSpan(code)) marks(context, model, scale, code, y, colours);
  label(context, model, shared, colours, scale, code, [x0, x1], y, { hasPath, isError, service });
  context.globalAlpha = 1;
}

/** Whether a row, or what is folded into it, was found. @param {TraceModel} model @param {number} code @param {boolean} isOpen */
function matchesIn(model, code, isOpen) {
  const { matches } = model;
  if (!matches) return true;
  if (model.isSpan(code) && (matches[code] || isOpen)) return matches[code] === 1;
  const last = model.isSpan(code) ? code + model.columns.subtree[code] : 0;
  if (model.isSpan(code)) return anyMatch(model, code, last);
  for (const row of model.membersOf(code - model.count)) if (matches[row]) return true;
  return false;
}

/** @param {TraceModel} model @param {number} from row @param {number} to row */
export function anyMatch({ matchRows }, from, to) {
  let [low, high] = [0, matchRows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (matchRows[middle] < from) low = middle + 1;
    else high = middle;
  }
  return low < matchRows.length && matchRows[low] < to;
}

/** Whether a row, or what is folded into it, has path segments. @param {TraceModel} model @param {number} code @param {boolean} isOpen */
function pathIn(model, code, isOpen) {
  if (model.criticalOf(code) > 0) return true;
  if (isOpen || !model.isSpan(code)) return false;
  const { pathAt } = model.derived;
  return pathAt[code + model.columns.subtree[code]] > pathAt[code];
}

/** The ink line: where the row, or what is folded into it, is on the path.
 * @param {CanvasRenderingContext2D} context @param {TraceModel} model @param {Scale} scale @param {number} code
 * @param {boolean} isOpen @param {number} y @param {Colours} colours
 */
function path(context, model, scale, code, isOpen, y, colours) {
  const { pathAt, pathOrder } = model.derived;
  const { seg_start, seg_end, subtree } = model.columns;
  const covered = coverage(scale.width);
  const cover = (/** @type {number} */ from, /** @type {number} */ to) => {
    for (let i = pathAt[from]; i < pathAt[to]; i++) add(covered, scale, seg_start[pathOrder[i]], seg_end[pathOrder[i]], 1);
  };
  if (model.isSpan(code)) cover(code, isOpen ? code + 1 : code + subtree[code]);
  else {
    const isChain = model.groupOf(code).kind === "chain";
    const rows = model.membersOf(code - model.count);
    if (isChain && !isOpen) cover(rows[0], rows[0] + subtree[rows[0]]);
    else if (isChain) cover(rows[0], rows[rows.length - 1] + 1);
    else for (const row of rows) cover(row, isOpen ? row + 1 : row + subtree[row]);
  }
  runs(covered, (x, width) => {
    context.fillStyle = colours.ground;
    context.fillRect(scale.left + x - 1, y - 1, width + 2, INK_PX + 2);
    context.fillStyle = colours.text;
    context.fillRect(scale.left + x, y, width, INK_PX);
  });
}

/** The spans of a group, by pixel: darker where more run at once.
 * @param {CanvasRenderingContext2D} context @param {TraceModel} model @param {Scale} scale @param {number} code @param {number} y
 * @param {string} fill @param {Colours} colours
 */
function members(context, model, scale, code, y, fill, colours) {
  const { start, dur, flags } = model.columns;
  const covered = coverage(scale.width);
  const failed = coverage(scale.width, 1);
  let most = 1;
  for (const row of model.membersOf(code - model.count)) {
    // A pixel between neighbours lets them be counted.
    add(covered, scale, start[row], start[row] + dur[row], 1, 1);
    if (flags[row] & FLAG.ERROR) add(failed, scale, start[row], start[row] + dur[row], 1);
  }
  for (let x = 0; x < covered.length; x++) most = Math.max(most, covered[x]);
  const alpha = context.globalAlpha;
  context.fillStyle = fill;
  for (let x = 0; x < covered.length; ) {
    const value = covered[x];
    let end = x + 1;
    while (end < covered.length && covered[end] === value) end++;
    if (value) {
      context.globalAlpha = alpha * (0.4 + 0.6 * (value / most));
      context.fillRect(scale.left + x, y, end - x, BAR_PX);
    }
    x = end;
  }
  context.globalAlpha = alpha;
  context.fillStyle = colours.error;
  runs(failed, (x, width) => context.fillRect(scale.left + x, y - 2, Math.max(2, width), 2));
}

/** @type {Float32Array[]} */
const scratch = [new Float32Array(0), new Float32Array(0)];

/** Zeros, one for each pixel. @param {number} width @param {number} [which] */
function coverage(width, which = 0) {
  const size = Math.ceil(width);
  if (scratch[which].length !== size) scratch[which] = new Float32Array(size);
  else scratch[which].fill(0);
  return scratch[which];
}

/** @param {Float32Array} covered @param {Scale} scale @param {number} from ticks @param {number} to ticks @param {number} value @param {number} [apart] px left free at the end */
function add(covered, scale, from, to, value, apart = 0) {
  let first = Math.floor(scale.x(from) - scale.left);
  let last = Math.ceil(scale.x(to) - scale.left);
  if (last < 0 || first >= covered.length) return;
  if (last - first > 2 + apart) last -= apart;
  first = Math.max(0, first);
  last = Math.min(covered.length, Math.max(first + 1, last));
  for (let x = first; x < last; x++) covered[x] += value;
}

/** @param {Float32Array} covered @param {(x: number, width: number) => void} draw */
function runs(covered, draw) {
  for (let x = 0; x < covered.length; x++) {
    if (!covered[x]) continue;
    const begin = x;
    while (x < covered.length && covered[x]) x++;
    draw(begin, x - begin);
  }
}

/** @param {CanvasRenderingContext2D} context @param {TraceModel} model @param {Scale} scale @param {number} row @param {number} y @param {Colours} colours */
function marks(context, model, scale, row, y, colours) {
  const { markAt, markOrder } = model.derived;
  const { mark_time, mark_kind, mark_severity } = model.columns;
  let lastX = -Infinity;
  for (let i = markAt[row]; i < markAt[row + 1]; i++) {
    const mark = markOrder[i];
    const x = scale.x(mark_time[mark]);
    const severity = mark_severity[mark];
    const isException = mark_kind[mark] === 1;
    // One sign for each few pixels; what is serious is drawn in any case.
    if (x - lastX < 3 && !isException && severity < ERROR) continue;
    lastX = x;
    context.fillStyle = isException || severity >= ERROR ? colours.error : severity >= WARN ? colours.warn : colours.text;
    context.strokeStyle = colours.ground;
    context.lineWidth = 1.5;
    context.beginPath();
    if (mark_kind[mark] === 2) diamond(context, x, y + BAR_PX / 2);
    else triangle(context, x, y - 3);
    context.stroke();
    context.fill();
  }
  if (model.has(row, FLAG.LINKS)) link(context, scale.x(model.columns.start[row]), y, colours);
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y */
function diamond(context, x, y) {
  context.moveTo(x, y - 4.5);
  context.lineTo(x + 4.5, y);
  context.lineTo(x, y + 4.5);
  context.lineTo(x - 4.5, y);
  context.closePath();
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y */
function triangle(context, x, y) {
  context.moveTo(x - 4, y);
  context.lineTo(x + 4, y);
  context.lineTo(x, y + 6);
  context.closePath();
}

/** Two links of a chain before a bar. @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {Colours} colours */
function link(context, x, y, colours) {
  context.strokeStyle = colours.link;
  context.lineWidth = 1.5;
  context.beginPath();
  context.ellipse(x - 9, y + BAR_PX / 2, 3, 2.2, 0, 0, 2 * Math.PI);
  context.ellipse(x - 5, y + BAR_PX / 2, 3, 2.2, 0, 0, 2 * Math.PI);
  context.stroke();
}

/** @param {CanvasRenderingContext2D} context @param {Colours} colours @param {number} x @param {number} y @param {1 | -1} side */
function arrow(context, colours, x, y, side) {
  context.fillStyle = colours.muted;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x - side * 6, y - 4);
  context.lineTo(x - side * 6, y + 4);
  context.closePath();
  context.fill();
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} width @param {number} height */
function block(context, x, y, width, height) {
  if (width < 5) {
    context.fillRect(x, y, width, height);
    return;
  }
  context.beginPath();
  context.roundRect(x, y, width, height, 2);
  context.fill();
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} width @param {string} colour @param {number} line */
function outline(context, x, y, width, colour, line) {
  context.strokeStyle = colour;
  context.lineWidth = line;
  context.strokeRect(x - 1, y - 1, width + 2, BAR_PX + 2);
}

/** Oblique lines in a box. @param {CanvasRenderingContext2D} context @param {number} x0 @param {number} x1 @param {number} y @param {string} colour */
function hatch(context, x0, x1, y, colour) {
  context.save();
  context.beginPath();
  context.rect(x0, y, x1 - x0, BAR_PX);
  context.clip();
  context.globalAlpha *= 0.5;
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.beginPath();
  for (let x = Math.floor(x0 / 6) * 6 - BAR_PX; x < x1; x += 6) {
    context.moveTo(x, y + BAR_PX);
    context.lineTo(x + BAR_PX, y);
  }
  context.stroke();
  context.restore();
}

/** Time that no span explains. @param {CanvasRenderingContext2D} context @param {TraceModel} model @param {Colours} colours @param {Frame} frame @param {number} code @param {number} y */
function gapBar(context, model, colours, { scale }, code, y) {
  const gap = model.gapOf(code);
  const x0 = Math.max(scale.left - 2, scale.x(gap.start));
  const x1 = Math.min(scale.left + scale.width + 2, Math.max(x0 + LEAST_BAR_PX, scale.x(gap.end)));
  if (x1 < scale.left || x0 > scale.left + scale.width) return;
  context.strokeStyle = colours.muted;
  context.lineWidth = 1;
  context.setLineDash([3, 2]);
  context.strokeRect(x0 + 0.5, y + 0.5, Math.max(1, x1 - x0 - 1), BAR_PX - 1);
  context.setLineDash([]);
  hatch(context, x0, x1, y, colours.muted);
  context.fillStyle = colours.text;
  context.fillRect(x0, y + BAR_PX + 1, x1 - x0, INK_PX);
  const text = duration(Number(gap.ns));
  const at = placeLabel(x0, x1, context.measureText(text).width, scale.left, scale.left + scale.width);
  context.fillStyle = colours.muted;
  if (at && at.at !== "inside") context.fillText(text, at.x, y + BAR_PX / 2 + 1);
}

/**
 * @param {CanvasRenderingContext2D} context @param {TraceModel} model @param {Shared} shared @param {Colours} colours @param {Scale} scale
 * @param {number} code @param {[number, number]} bar x @param {number} y @param {{hasPath: boolean, isError: boolean, service: number}} is
 */
function label(context, model, shared, colours, scale, code, [x0, x1], y, is) {
  const share = model.criticalOf(code) / model.rootTicks;
  const [from, to] = model.extentOf(code);
  let text = duration(model.ns(to - from));
  if (is.hasPath && share >= LEAST_SHARE) text += ` · ${percent(share)} of path`;
  if (is.isError) text = `✕ ${text}`;
  const at = placeLabel(x0, x1, context.measureText(text).width, scale.left, scale.left + scale.width);
  if (!at) return;
  context.fillStyle = at.at === "inside" ? shared.onBarColour(is.service) : is.isError ? colours.error : share >= LEAST_SHARE ? colours.text : colours.muted;
  if (at.at !== "inside" || !model.isGroup(code)) context.fillText(text, at.x, y + BAR_PX / 2 + 1);
}

/** What is at a pixel of a row: a marker, the bar, an arrow to a bar off screen, or nothing.
 * @param {TraceModel} model @param {Scale} scale @param {number} code @param {number} x
 * @returns {{part: "bar" | "mark" | "arrow" | "none", mark: number}}
 */
export function partAt(model, scale, code, x) {
  const [from, to] = model.extentOf(code);
  const x0 = scale.x(from);
  const x1 = Math.max(x0 + LEAST_BAR_PX, scale.x(to));
  if (x1 < scale.left) return { part: x < scale.left + 14 ? "arrow" : "none", mark: -1 };
  if (x0 > scale.left + scale.width) return { part: x > scale.left + scale.width - 14 ? "arrow" : "none", mark: -1 };
  if (model.isSpan(code)) {
    const { markAt, markOrder } = model.derived;
    for (let i = markAt[code]; i < markAt[code + 1]; i++) {
      if (Math.abs(scale.x(model.columns.mark_time[markOrder[i]]) - x) <= 5) return { part: "mark", mark: markOrder[i] };
    }
  }
  return { part: x >= x0 - 2 && x <= x1 + 2 ? "bar" : "none", mark: -1 };
}
