// @ts-check
// Steps of a chart and the range that a drag over them chooses.

/**
 * The step under a place, within what there is.
 * @param {number} share of the width, 0 to 1
 * @param {number} steps
 */
export function stepAt(share, steps) {
  return Math.min(steps - 1, Math.max(0, Math.floor(share * steps)));
}

/**
 * The address of a page for the time from one step to another, both included, in either order;
 * its other parameters stay.
 * @param {string} search of the page's address
 * @param {bigint} start Unix nanoseconds of step 0
 * @param {bigint} step nanoseconds
 * @param {number} one
 * @param {number} other
 */
export function rangeAddress(search, start, step, one, other) {
  const parameters = new URLSearchParams(search);
  parameters.delete("since");
  const [low, high] = one <= other ? [one, other] : [other, one];
  parameters.set("from", iso(start + step * BigInt(low)));
  parameters.set("to", iso(start + step * BigInt(high + 1)));
  return `?${parameters}`;
}

/** @param {bigint} nanoseconds */
function iso(nanoseconds) {
  return new Date(Number(nanoseconds / 1000000n)).toISOString().replace(/\.\d+Z$/, "Z");
}
