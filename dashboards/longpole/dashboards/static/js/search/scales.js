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
  const share = span > 0 ? (map(Math.max(value, scale.isLog ? 1 : -Infinity)) - low) / span : 0.5;
  return scale.from + share * (scale.to - scale.from);
}

/** @param {Scale} scale @param {number} pixel @returns {number} value */
export function toValue(scale, pixel) {
  const share = (pixel - scale.from) / (scale.to - scale.from);
  if (!scale.isLog) return scale.low + share * (scale.high - scale.low);
  const low = Math.log10(scale.low);
  return 10 ** (low + share * (Math.log10(scale.high) - low));
}

/**
 * Powers of ten that enclose durations in nanoseconds; at least one decade.
 * @param {number[]} values
 * @returns {[number, number]}
 */
export function decades(values) {
  let least = Infinity;
  let most = 1;
  for (const value of values) {
    const positive = Math.max(1, value);
    if (positive < least) least = positive;
    if (positive > most) most = positive;
  }
  if (!Number.isFinite(least)) return [1, 10];
  const low = 10 ** Math.floor(Math.log10(least));
  const high = 10 ** Math.ceil(Math.log10(most));
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
