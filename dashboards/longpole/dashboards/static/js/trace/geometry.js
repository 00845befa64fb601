// @ts-check
// Where things are on the waterfall: rows by pixels, ticks by pixels, labels beside bars.

/** Browsers cap the height of an element; above this rows are scrolled by share instead of by pixel. */
export const HIGHEST_PX = 8_000_000;
export const ROW_PX = 24;
/** On a phone a row has its bar below its name. */
export const TALL_ROW_PX = 44;
export const INDENT_PX = 14;

/**
 * Ticks to pixels and back.
 * @param {number} from ticks @param {number} to ticks @param {number} left px @param {number} width px
 */
export function scaleOf(from, to, left, width) {
  const perTick = width / Math.max(1e-9, to - from);
  return {
    left, width, perTick,
    x: (/** @type {number} */ ticks) => left + (ticks - from) * perTick,
    ticks: (/** @type {number} */ x) => from + (x - left) / perTick,
  };
}
/** @typedef {ReturnType<typeof scaleOf>} Scale */

/** Height of the space that is scrolled. @param {number} total px of all rows */
export function spaceHeight(total) {
  return Math.min(total, HIGHEST_PX);
}

/**
 * What is at the top of the view, in pixels of all rows, for where the scroll bar stands.
 * @param {number} scrollTop @param {number} total px of all rows @param {number} view px on screen
 */
export function topOf(scrollTop, total, view) {
  if (total <= HIGHEST_PX) return scrollTop;
  return Math.min(1, Math.max(0, scrollTop / (HIGHEST_PX - view))) * (total - view);
}

/** Where the scroll bar stands for a top; the inverse of `topOf`. @param {number} top @param {number} total @param {number} view */
export function scrollTopOf(top, total, view) {
  if (total <= HIGHEST_PX) return top;
  return (top / Math.max(1, total - view)) * (HIGHEST_PX - view);
}

/**
 * The label of a bar: to its right, else to its left, else in it.
 * @param {number} x0 of the bar @param {number} x1 @param {number} text width @param {number} left of the area @param {number} right
 * @returns {{x: number, at: "right" | "left" | "inside"} | null} null where the bar is off screen
 */
export function placeLabel(x0, x1, text, left, right) {
  const GAP = 6;
  if (x1 < left || x0 > right) return null;
  if (x1 + GAP + text <= right) return { x: x1 + GAP, at: "right" };
  if (x0 - GAP - text >= left) return { x: x0 - GAP - text, at: "left" };
  const [a, b] = [Math.max(left, x0), Math.min(right, x1)];
  return b - a >= text + 2 * GAP ? { x: a + GAP, at: "inside" } : null;
}

/**
 * How many levels to leave out on the left so that names stay readable deep in a tree.
 * @param {ArrayLike<number>} depths of the rows on screen @param {number} width px of the name column
 */
export function indentOffset(depths, width) {
  let [least, most] = [Infinity, 0];
  for (let i = 0; i < depths.length; i++) {
    least = Math.min(least, depths[i]);
    most = Math.max(most, depths[i]);
  }
  const room = Math.max(4, Math.floor((width * 0.45) / INDENT_PX));
  return most <= room ? 0 : Math.max(0, Math.min(least - 1, most - room), most - 2 * room);
}
