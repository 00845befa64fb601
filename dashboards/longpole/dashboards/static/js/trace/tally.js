// @ts-check
// Spans counted by service, operation, kind or group: the rows of the table view.

/** @typedef {"service" | "operation" | "kind" | "group"} By */
/**
 * @typedef {object} Tally columns of the table, a value for each key that has spans; times in ticks
 * @property {Uint32Array} key
 * @property {Uint32Array} count
 * @property {Uint32Array} errors
 * @property {Float64Array} self
 * @property {Float64Array} critical
 * @property {Float64Array} total
 * @property {Uint32Array} median nearest rank
 * @property {Uint32Array} max
 * @property {Uint32Array} longest row of the span that took `max`
 */

const ERROR = 8;

/**
 * @param {{dur: Uint32Array, self: Uint32Array, critical: Uint32Array, flags: Uint16Array}} columns
 * @param {Int32Array | Uint32Array | Uint16Array | Uint8Array} keys one for each row, below 0 for none
 * @param {number} size keys are below it
 * @returns {Tally}
 */
export function tally({ dur, self, critical, flags }, keys, size) {
  const at = new Uint32Array(size + 1);
  for (let row = 0; row < keys.length; row++) if (keys[row] >= 0) at[keys[row] + 1]++;
  for (let k = 0; k < size; k++) at[k + 1] += at[k];
  const errors = new Uint32Array(size);
  const times = [new Float64Array(size), new Float64Array(size), new Float64Array(size)];
  const longest = new Uint32Array(size);
  const durations = new Uint32Array(at[size]);
  const next = at.slice();
  for (let row = 0; row < keys.length; row++) {
    const key = keys[row];
    if (key < 0) continue;
    if (next[key] === at[key] || dur[row] > dur[longest[key]]) longest[key] = row;
    durations[next[key]++] = dur[row];
    if (flags[row] & ERROR) errors[key]++;
    times[0][key] += self[row];
    times[1][key] += critical[row];
    times[2][key] += dur[row];
  }
  /** @type {number[]} */
  const used = [];
  for (let k = 0; k < size; k++) if (at[k + 1] > at[k]) used.push(k);
  const of = (/** @type {(key: number) => number} */ value) => used.map(value);
  return {
    key: Uint32Array.from(used),
    count: Uint32Array.from(of((k) => at[k + 1] - at[k])),
    errors: Uint32Array.from(of((k) => errors[k])),
    self: Float64Array.from(of((k) => times[0][k])),
    critical: Float64Array.from(of((k) => times[1][k])),
    total: Float64Array.from(of((k) => times[2][k])),
    median: Uint32Array.from(of((k) => durations.subarray(at[k], at[k + 1]).sort()[Math.ceil((at[k + 1] - at[k]) / 2) - 1])),
    max: Uint32Array.from(of((k) => dur[longest[k]])),
    longest: Uint32Array.from(of((k) => longest[k])),
  };
}
