// @ts-check
// The two flame graphs as one kind of picture: items in lanes along an axis, the rest are questions.
//
//   time     an item is a span, the axis is time; the window is the one all views share
//   merged   an item is a chain of calls, the axis is the sum of its times; the window is its own

import { FLAG } from "./columns.js";
import { duration, percent } from "./duration.js";
import { inert } from "./inert.js";
import { before } from "./intervals.js";

/** @typedef {import("./model.js").TraceModel} TraceModel */
/** @typedef {import("./shared.js").Shared} Shared */
/**
 * @typedef {object} Picture
 * @property {boolean} isTime
 * @property {ArrayLike<number>} start
 * @property {ArrayLike<number>} dur
 * @property {import("./intervals.js").Pyramid} tower
 * @property {number} extent
 * @property {() => [number, number]} window
 * @property {(from: number, to: number) => void} setWindow
 * @property {(item: number) => number} laneOf
 * @property {(item: number) => number} serviceOf
 * @property {(item: number) => string} name
 * @property {(item: number) => boolean} hasError
 * @property {(item: number) => boolean} isFaded
 * @property {(item: number) => number} inkShare part of its width that is on the critical path, where no line in time can say so
 * @property {(item: number) => {text: string, isMuted?: boolean}[]} lines of the card and of the live region
 * @property {(item: number) => number} above -1 for none
 * @property {(item: number) => number} below the widest, -1 for none
 * @property {() => number} selected -1 for none
 * @property {(item: number) => number} span that an item stands for
 */

const NAME = 120;

/** @param {TraceModel} model @param {import("./layouts.js").TimeLayout} layout @returns {Picture} */
export function timePicture(model, { lane, tower }) {
  const { start, dur, self, critical, parent, subtree } = model.columns;
  return {
    isTime: true, start, dur, tower, extent: model.extent,
    window: () => [model.from, model.to],
    setWindow: (from, to) => model.setWindow(from, to),
    laneOf: (item) => lane[item],
    serviceOf: (item) => model.serviceOf(item),
    name: (item) => inert(model.operation(item), NAME),
    hasError: (item) => model.has(item, FLAG.ERROR),
    isFaded: (item) => (model.matches !== null && !model.matches[item]) || model.isHidden(model.serviceOf(item))
      || (model.criticalOnly && !model.has(item, FLAG.ON_PATH)),
    inkShare: () => 0,
    lines: (item) => [
      { text: inert(model.operation(item), NAME) },
      { text: `${inert(model.service(item), NAME)} · ${duration(model.ns(dur[item]))}, self ${duration(model.ns(self[item]))}`, isMuted: true },
      { text: critical[item] ? `${duration(model.ns(critical[item]))} on the critical path` : model.has(item, FLAG.ON_PATH) ? "on the critical path" : "not on the critical path", isMuted: true },
      ...(model.has(item, FLAG.ERROR) ? [{ text: "✕ error" }] : []),
    ],
    above: (item) => parent[item],
    below(item) {
      let best = -1;
      for (let row = item + 1; row < item + subtree[item]; row += subtree[row]) if (best < 0 || dur[row] > dur[best]) best = row;
      return best;
    },
    selected: () => model.spanOf(model.selected),
    span: (item) => item,
  };
}

/**
 * @param {TraceModel} model @param {import("./layouts.js").MergedLayout} layout @param {import("./merged.js").Width} by
 * @param {() => void} changed the window of the picture is another
 * @returns {Picture}
 */
export function mergedPicture(model, { chains, start, width, extent, tower }, by, changed) {
  const { above, op, depth, count, errors, critical, self, total, nodeOf } = chains;
  const inclusive = Float64Array.from(critical);
  for (let node = above.length - 1; node >= 0; node--) if (above[node] >= 0) inclusive[above[node]] += inclusive[node];
  let window = /** @type {[number, number]} */ ([0, extent]);
  /** Found nodes for the matches they were made of. @type {{of: Uint8Array | null, nodes: Uint8Array}} */
  let found = { of: null, nodes: new Uint8Array(0) };
  const isFound = (/** @type {number} */ node) => {
    if (!model.matches) return true;
    if (found.of !== model.matches) {
      found = { of: model.matches, nodes: new Uint8Array(above.length) };
      for (const row of model.matchRows) found.nodes[nodeOf[row]] = 1;
    }
    return found.nodes[node] === 1;
  };
  const least = extent / 1e9;
  return {
    isTime: false, start, dur: width, tower, extent,
    window: () => window,
    setWindow(from, to) {
      const size = Math.min(extent, Math.max(least, to - from));
      const begin = Math.min(extent - size, Math.max(0, from));
      window = [begin, begin + size];
      changed();
    },
    laneOf: (item) => depth[item],
    serviceOf: (item) => model.derived.opService[op[item]],
    name: (item) => (count[item] > 1 ? `${count[item].toLocaleString("en")} × ` : "") + inert(model.header.operations[op[item]].name, NAME),
    hasError: (item) => errors[item] > 0,
    isFaded: (item) => !isFound(item) || model.isHidden(model.derived.opService[op[item]]) || (model.criticalOnly && inclusive[item] === 0),
    inkShare: (item) => (by === "critical" || !width[item] ? 0 : Math.min(1, inclusive[item] / width[item])),
    lines: (item) => [
      { text: inert(model.header.operations[op[item]].name, NAME) },
      { text: `${inert(model.header.services[model.derived.opService[op[item]]].name, NAME)} · ${count[item].toLocaleString("en")} ${count[item] === 1 ? "span" : "spans"}`, isMuted: true },
      { text: `critical path ${duration(model.ns(inclusive[item]))} (${percent(inclusive[item] / model.rootTicks)}), of its own ${duration(model.ns(critical[item]))}`, isMuted: true },
      { text: `total ${duration(model.ns(total[item]))}, self ${duration(model.ns(self[item]))}`, isMuted: true },
      ...(errors[item] ? [{ text: `✕ ${errors[item].toLocaleString("en")} with errors` }] : []),
    ],
    above: (item) => above[item],
    below(item) {
      let best = -1;
      for (let node = item + 1; node < above.length; node++) if (above[node] === item && (best < 0 || width[node] > width[best])) best = node;
      return best;
    },
    selected: () => (model.selected < 0 ? -1 : nodeOf[model.spanOf(model.selected)]),
    span: (item) => chains.longestRow[item],
  };
}

/** The one before or after in the same lane, -1 for none. @param {Picture} picture @param {number} item @param {1 | -1} step */
export function beside(picture, item, step) {
  const [level] = picture.tower.levels;
  const lane = picture.laneOf(item);
  let at = before(level, picture.start, lane, picture.start[item]);
  while (at > level.at[lane] && level.items[at] !== item) at--;
  const next = at + step;
  return next >= level.at[lane] && next < level.at[lane + 1] ? level.items[next] : -1;
}
