// @ts-check
// Durations in words, the way the server writes them, and the steps of a ruler.

const UNITS = /** @type {const} */ ([
  [36000e9, 3600e9, "h"], [600e9, 60e9, "min"], [1e9, 1e9, "s"], [1e6, 1e6, "ms"], [1e3, 1e3, "µs"],
]);

/** `1.91 s`, `29.6 ms`, `410 µs`, `17 ns`. @param {number} ns */
export function duration(ns) {
  for (const [least, scale, unit] of UNITS) {
    if (Math.abs(ns) < least) continue;
    const value = ns / scale;
    const size = Math.abs(value);
    return `${Number(value.toFixed(size < 10 ? 2 : size < 100 ? 1 : 0))} ${unit}`;
  }
  return `${Number(ns.toFixed(1))} ns`;
}

/** `0.4 %`, `12 %`; small ones do not become 0 %. @param {number} share of 1 */
export function percent(share) {
  const value = share * 100;
  if (!value) return "0 %";
  if (value > 0 && value < 0.1) return "<0.1 %";
  return `${value.toFixed(value < 10 ? 1 : 0)} %`;
}

/** The roundest step of a ruler with at most `most` steps in `ns`. @param {number} ns @param {number} most */
export function rulerStep(ns, most) {
  const least = ns / Math.max(1, most);
  const ROUND = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
  if (least > 1e9) {
    for (const seconds of ROUND) if (seconds * 1e9 >= least) return seconds * 1e9;
    return Math.ceil(least / 86400e9) * 86400e9;
  }
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1e-3)));
  for (const step of [1, 2, 5, 10]) if (step * power >= least) return step * power;
  return 10 * power;
}
