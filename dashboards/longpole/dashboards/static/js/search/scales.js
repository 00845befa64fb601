// @ts-check
// Places on the picture: time runs to the right, durations upwards on a logarithmic scale.

/**
 * @typedef {object} Scale
 * @property {number} low value at the first pixel
 * @property {number} high value at the last pixel
 * @property {number} from first pixel
 * @property {number} to last pixel
 * @property {boolean} isLog
 */

/** @param {Scale} scale @param {number} value @returns {number} pixel */
export function toPixel(scale, value) {
  const map = scale.isLog ? Math.log10 : Number;
  const low = map(scale.low);
  const span = map(scale.high) - low;
  const shown = scale.isLog ? Math.max(value, scale.low) : value;
  const share = span > 0 ? (map(shown) - low) / span : 0.5;
  return scale.from + share * (scale.to - scale.from);
}

/** @param {Scale} scale @param {number} pixel @returns {number} value */
export function toValue(scale, pixel) {
  const share = (pixel - scale.from) / (scale.to - scale.from);
  if (!scale.isLog) return scale.low + share * (scale.high - scale.low);
  const low = Math.log10(scale.low);
  return 10 ** (low + share * (Math.log10(scale.high) - low));
}

// So few of the shortest may lie on the edge, where they would stretch the scale this far.
const FEW = 0.01;
const STRETCH = 1000;

/**
 * Powers of ten that enclose durations in nanoseconds; at least one decade. A few that are far
 * shorter than all others, or no time at all, are left below: they are drawn on the lower edge.
 * @param {number[]} values
 * @returns {[number, number]}
 */
export function decades(values) {
  const sorted = values.filter((value) => value > 0).sort((a, b) => a - b);
  if (!sorted.length) return [1, 10];
  const usual = sorted[Math.floor((sorted.length - 1) * FEW) + Number(sorted.length > 2)];
  const least = usual > sorted[0] * STRETCH ? usual : sorted[0];
  const low = 10 ** Math.floor(Math.log10(least));
  const high = 10 ** Math.ceil(Math.log10(sorted[sorted.length - 1]));
  return [low, high > low ? high : low * 10];
}

/**
 * The point nearest to a pixel, -1 when none is within `reach`.
 * @param {ArrayLike<number>} xs
 * @param {ArrayLike<number>} ys
 * @param {number} x
 * @param {number} y
 * @param {number} reach
 */
export function nearest(xs, ys, x, y, reach) {
  let best = -1;
  let least = reach * reach;
  for (let at = 0; at < xs.length; at += 1) {
    const distance = (xs[at] - x) ** 2 + (ys[at] - y) ** 2;
    if (distance <= least) {
      least = distance;
      best = at;
    }
  }
  return best;
}

/** @param {number} ns @returns {string} a power of ten with its unit */
export function decadeText(ns) {
  for (const [size, unit] of /** @type {[number, string][]} */ (
    [[1e9, "s"], [1e6, "ms"], [1e3, "µs"]])) {
    if (ns >= size) return `${Math.round(ns / size)} ${unit}`;
  }
  return `${ns} ns`;
}
