// @ts-check
// Lanes of a flame graph in the order of time: below the caller, and beside what runs at the same time.
//
//   root  |--------------------------|
//   a       |-----------|               b runs while a does: it gets the next free lane
//   b            |---------------|

/** So many lanes are tried; what finds none free lies right below its caller, over others. */
const MOST_TRIES = 64;

/**
 * A lane for each row, callers above what they call.
 * @param {Uint32Array} start @param {Uint32Array} dur @param {Int32Array} parent rows in preorder, -1 for roots
 * @returns {{lane: Uint32Array, lanes: number}}
 */
export function lanesOf(start, dur, parent) {
  const count = start.length;
  const lane = new Uint32Array(count);
  // A clock that is off may let a call start before its caller; it is placed after it all the same.
  const placed = new Uint32Array(count);
  for (let row = 0; row < count; row++) {
    placed[row] = parent[row] < 0 ? start[row] : Math.max(start[row], placed[parent[row]]);
  }
  /** End of what was placed last, by lane. @type {number[]} */
  const ends = [];
  for (const row of sortedBy(placed)) {
    const least = parent[row] < 0 ? 0 : lane[parent[row]] + 1;
    let mine = least;
    while (mine < ends.length && ends[mine] > start[row]) {
      if (++mine - least < MOST_TRIES) continue;
      mine = least;
      break;
    }
    while (ends.length <= mine) ends.push(-1);
    ends[mine] = Math.max(ends[mine], start[row] + dur[row]);
    lane[row] = mine;
  }
  return { lane, lanes: ends.length };
}

/** Rows by value, equal ones in row order: two passes of a radix sort. @param {Uint32Array} values @returns {Uint32Array} */
export function sortedBy(values) {
  const count = values.length;
  let order = Uint32Array.from({ length: count }, (_, row) => row);
  let other = new Uint32Array(count);
  for (const shift of [0, 16]) {
    const at = new Uint32Array(65537);
    for (let i = 0; i < count; i++) at[((values[i] >>> shift) & 0xffff) + 1]++;
    for (let k = 0; k < 65536; k++) at[k + 1] += at[k];
    for (let i = 0; i < count; i++) other[at[(values[order[i]] >>> shift) & 0xffff]++] = order[i];
    [order, other] = [other, order];
  }
  return order;
}
