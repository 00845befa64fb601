// @ts-check
// Rows that wait behind the pill while a reader looks at others, without the page.

/**
 * @typedef {object} LiveRow
 * @property {string} trace_id
 * @property {number} start_ms
 * @property {string} start
 * @property {string} root
 * @property {string} colour
 * @property {string} duration
 * @property {number} spans
 * @property {number} services
 * @property {number} errors
 * @property {string} why
 * @property {boolean} is_settled
 * @property {string} path
 * @property {[string, number, number][]} ribbon
 */

export const MOST_WAITING = 200;

/**
 * The rows that wait once others have come: a later state of a trace replaces the earlier one, the
 * oldest give way. `lost` is how many did.
 * @param {LiveRow[]} waiting newest first
 * @param {LiveRow[]} arrived newest first
 * @returns {{rows: LiveRow[], lost: number}}
 */
export function queued(waiting, arrived) {
  const come = new Map(arrived.map((row) => [row.trace_id, row]));
  const kept = waiting.map((row) => {
    const later = come.get(row.trace_id);
    come.delete(row.trace_id);
    return later ?? row;
  });
  const rows = [...come.values(), ...kept];
  return { rows: rows.slice(0, MOST_WAITING), lost: Math.max(0, rows.length - MOST_WAITING) };
}

/**
 * New traces a second over the last looks.
 * @param {{at: number, count: number}[]} looks in ms
 * @param {number} now
 * @param {number} overMs
 */
export function rate(looks, now, overMs) {
  const recent = looks.filter((one) => now - one.at < overMs);
  const sum = recent.reduce((all, one) => all + one.count, 0);
  return sum / (overMs / 1000);
}
