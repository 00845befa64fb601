// @ts-check
// All spans with the same chain of calls as one frame: the merged flame graph, wide frames first.

/** @typedef {"critical" | "total" | "self"} Width what the width of a frame is */
/**
 * @typedef {object} Chains nodes are chains of calls, those above before those below
 * @property {Int32Array} above node, -1 for the outermost
 * @property {Uint32Array} op
 * @property {Uint32Array} depth
 * @property {Uint32Array} count spans
 * @property {Uint32Array} errors
 * @property {Float64Array} critical ticks on the path, of these spans alone
 * @property {Float64Array} self
 * @property {Float64Array} total durations
 * @property {Uint32Array} firstRow
 * @property {Uint32Array} longestRow
 * @property {Uint32Array} nodeOf node of each row
 */

const ERROR = 8;

/**
 * @param {{parent: Int32Array, op: Uint32Array, dur: Uint32Array, self: Uint32Array, critical: Uint32Array, flags: Uint16Array}} columns
 * @param {number} operations how many there are
 * @returns {Chains}
 */
export function chainsOf({ parent, op, dur, self, critical, flags }, operations) {
  const rows = parent.length;
  const nodeOf = new Uint32Array(rows);
  /** @type {Map<number, number>} */
  const known = new Map();
  /** @type {number[]} */ const above = [];
  /** @type {number[]} */ const ops = [];
  /** @type {number[]} */ const first = [];
  for (let row = 0; row < rows; row++) {
    const outer = parent[row] < 0 ? -1 : nodeOf[parent[row]];
    const key = (outer + 1) * operations + op[row];
    let node = known.get(key);
    if (node === undefined) {
      node = above.length;
      known.set(key, node);
      above.push(outer);
      ops.push(op[row]);
      first.push(row);
    }
    nodeOf[row] = node;
  }
  const size = above.length;
  const chains = {
    above: Int32Array.from(above), op: Uint32Array.from(ops), depth: new Uint32Array(size), count: new Uint32Array(size),
    errors: new Uint32Array(size), critical: new Float64Array(size), self: new Float64Array(size), total: new Float64Array(size),
    firstRow: Uint32Array.from(first), longestRow: Uint32Array.from(first), nodeOf,
  };
  for (let node = 0; node < size; node++) chains.depth[node] = above[node] < 0 ? 0 : chains.depth[above[node]] + 1;
  for (let row = 0; row < rows; row++) {
    const node = nodeOf[row];
    chains.count[node]++;
    if (flags[row] & ERROR) chains.errors[node]++;
    chains.critical[node] += critical[row];
    chains.self[node] += self[row];
    chains.total[node] += dur[row];
    if (dur[row] > dur[chains.longestRow[node]]) chains.longestRow[node] = row;
  }
  return chains;
}

/**
 * Where each frame lies, the widest on the left. A frame is as wide as its spans' own time and everything
 * below; by `total`, as wide as its spans' durations, or what is below where that is more (parallel calls).
 * @param {Chains} chains @param {Width} by
 * @returns {{start: Float64Array, width: Float64Array, extent: number, depths: number}}
 */
export function laidOut(chains, by) {
  const size = chains.above.length;
  const { above, depth } = chains;
  const width = Float64Array.from(chains[by]);
  const inside = new Float64Array(size);
  let extent = 0;
  let depths = 0;
  for (let node = size - 1; node >= 0; node--) {
    if (by === "total") width[node] = Math.max(width[node], inside[node]);
    if (above[node] < 0) extent += width[node];
    else if (by === "total") inside[above[node]] += width[node];
    else width[above[node]] += width[node];
    depths = Math.max(depths, depth[node] + 1);
  }
  // Children after their parents by index, so one pass from wide to narrow places them all in order.
  const order = Uint32Array.from(width, (_, node) => node).sort((a, b) => depth[a] - depth[b] || width[b] - width[a] || a - b);
  const start = new Float64Array(size);
  const next = new Float64Array(size);
  let outer = 0;
  for (const node of order) {
    if (above[node] < 0) {
      start[node] = outer;
      outer += width[node];
    } else {
      start[node] = next[above[node]];
      next[above[node]] += width[node];
    }
    next[node] = start[node];
  }
  return { start, width, extent: Math.max(extent, 1), depths };
}
