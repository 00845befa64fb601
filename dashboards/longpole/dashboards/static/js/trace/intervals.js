// @ts-check
// Intervals in lanes, and the pyramid that lets any zoom be drawn from few of them.
//
// Level 0 has all intervals by lane and start. Each level above keeps the longest that starts in a bucket
// of time, buckets being four times as wide from level to level. Intervals of a lane do not overlap, so one
// that is wider than its bucket is alone in it: a level whose buckets are no wider than a pixel has every
// interval that is at least a pixel wide.

/** Buckets of the topmost level over the whole extent. */
const TOP_BUCKETS = 1024;
const FACTOR = 4;
const MOST_LEVELS = 7;
/** A level is worth its memory when it has at most this part of the one below. */
const WORTH = 0.7;

/**
 * @typedef {object} Level
 * @property {number} bucket width of its buckets, 0 for level 0
 * @property {Uint32Array} items indexes of intervals by lane and start
 * @property {Uint32Array} at first of each lane in `items`, lanes + 1 values
 */
/**
 * @typedef {object} Pyramid
 * @property {number} lanes
 * @property {Level[]} levels fine to coarse
 * @property {Uint8Array} overlaps 1 for lanes in which intervals overlap
 */
/** @typedef {ArrayLike<number>} Numbers */

/**
 * @param {Numbers} start @param {Numbers} dur @param {Uint32Array} lane of each interval
 * @param {number} lanes @param {number} extent
 * @returns {Pyramid}
 */
export function pyramid(start, dur, lane, lanes, extent) {
  const [items, at] = byLane(start, lane, lanes);
  const overlaps = new Uint8Array(lanes);
  for (let l = 0; l < lanes; l++) {
    let reached = -Infinity;
    for (let i = at[l]; i < at[l + 1]; i++) {
      if (start[items[i]] < reached) overlaps[l] = 1;
      reached = Math.max(reached, start[items[i]] + dur[items[i]]);
    }
  }
  /** @type {Level[]} */
  const levels = [{ bucket: 0, items, at }];
  for (let k = MOST_LEVELS - 1; k >= 0; k--) {
    const bucket = Math.max(1, extent) / TOP_BUCKETS / FACTOR ** k;
    const next = coarser(levels[levels.length - 1], start, dur, lanes, bucket);
    if (next.items.length <= WORTH * levels[levels.length - 1].items.length) levels.push(next);
  }
  return { lanes, levels, overlaps };
}

/** Counting sort by lane, then by start. @param {Numbers} start @param {Uint32Array} lane @param {number} lanes @returns {[Uint32Array, Uint32Array]} */
function byLane(start, lane, lanes) {
  const at = new Uint32Array(lanes + 1);
  for (let i = 0; i < lane.length; i++) at[lane[i] + 1]++;
  for (let l = 0; l < lanes; l++) at[l + 1] += at[l];
  const next = at.slice();
  const items = new Uint32Array(lane.length);
  for (let i = 0; i < lane.length; i++) items[next[lane[i]]++] = i;
  for (let l = 0; l < lanes; l++) {
    for (let i = at[l] + 1; i < at[l + 1]; i++) {
      if (start[items[i]] >= start[items[i - 1]]) continue;
      items.subarray(at[l], at[l + 1]).sort((a, b) => start[a] - start[b] || a - b);
      break;
    }
  }
  return [items, at];
}

/** @param {Level} below @param {Numbers} start @param {Numbers} dur @param {number} lanes @param {number} bucket @returns {Level} */
function coarser(below, start, dur, lanes, bucket) {
  const items = new Uint32Array(below.items.length);
  const at = new Uint32Array(lanes + 1);
  let size = 0;
  for (let l = 0; l < lanes; l++) {
    let current = -1;
    for (let i = below.at[l]; i < below.at[l + 1]; i++) {
      const item = below.items[i];
      const mine = Math.floor(start[item] / bucket);
      if (mine !== current) {
        items[size++] = item;
        current = mine;
      } else if (dur[item] > dur[items[size - 1]]) items[size - 1] = item;
    }
    at[l + 1] = size;
  }
  return { bucket, items: items.slice(0, size), at };
}

/** The coarsest level that misses nothing of a pixel or more. @param {Pyramid} tower @param {number} perPixel */
export function levelFor(tower, perPixel) {
  let chosen = tower.levels[0];
  for (const level of tower.levels) if (level.bucket <= perPixel) chosen = level;
  return chosen;
}

/**
 * Hands out what to draw of a lane from left to right: every interval of a pixel or more, and of narrower
 * ones the longest in each pixel.
 * @param {Pyramid} tower @param {Numbers} start @param {Numbers} dur @param {number} lane
 * @param {number} from @param {number} to @param {number} perPixel
 * @param {(item: number) => void} draw
 */
export function eachInWindow(tower, start, dur, lane, from, to, perPixel, draw) {
  const level = levelFor(tower, perPixel);
  const { items } = level;
  const end = level.at[lane + 1];
  let i = firstInWindow(level, tower.overlaps[lane] === 1, start, dur, lane, from);
  let kept = -1;
  let pixel = -1;
  for (; i < end; i++) {
    const item = items[i];
    if (start[item] >= to && !(start[item] === to && dur[item] === 0)) break;
    if (start[item] + dur[item] < from) continue;
    if (dur[item] >= perPixel) {
      if (kept >= 0) draw(kept);
      kept = -1;
      pixel = -1;
      draw(item);
      continue;
    }
    const mine = Math.floor((start[item] - from) / perPixel);
    if (mine !== pixel) {
      if (kept >= 0) draw(kept);
      kept = item;
      pixel = mine;
    } else if (dur[item] > dur[kept]) kept = item;
  }
  if (kept >= 0) draw(kept);
}

/**
 * The place in a lane of the first interval that may reach `from`. Where intervals overlap, a long one may
 * lie any number of places before, so the lane is read from its beginning.
 * @param {Level} level @param {boolean} overlaps @param {Numbers} start @param {Numbers} dur @param {number} lane @param {number} from
 */
function firstInWindow(level, overlaps, start, dur, lane, from) {
  const begin = level.at[lane];
  if (overlaps) return begin;
  const at = before(level, start, lane, from);
  return at >= begin && start[level.items[at]] + dur[level.items[at]] >= from ? at : at + 1;
}

/** The place of the last interval of a lane that starts before `moment` or at it; the lane's first - 1 for none. @param {Level} level @param {Numbers} start @param {number} lane @param {number} moment */
export function before(level, start, lane, moment) {
  let [low, high] = [level.at[lane], level.at[lane + 1]];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (start[level.items[middle]] <= moment) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/**
 * The interval of a lane at a moment, or the nearest within `reach`; -1 for none.
 * @param {Pyramid} tower @param {Numbers} start @param {Numbers} dur @param {number} lane @param {number} moment @param {number} reach
 */
export function itemAt(tower, start, dur, lane, moment, reach) {
  const level = tower.levels[0];
  const begin = level.at[lane];
  const end = level.at[lane + 1];
  const last = before(level, start, lane, moment);
  let [best, far] = [-1, Infinity];
  const first = tower.overlaps[lane] ? begin : Math.max(begin, last - 1);
  for (let i = first; i <= Math.min(end - 1, last + 1); i++) {
    const item = level.items[i];
    const away = Math.max(start[item] - moment, moment - start[item] - dur[item], 0);
    // The innermost wins where several overlap.
    if (away < far || (away === far && dur[item] < dur[best])) [best, far] = [item, away];
  }
  return far <= reach ? best : -1;
}
