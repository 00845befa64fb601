// @ts-check
// Which rows the waterfall shows, from the tree and what is folded.
//
// A row has a code: a span's row number i, a group N + g, or a gap N + G + k. The walk jumps over a
// closed span by `i += subtree[i]` and keeps its own stack, so neither depth nor size can hurt it.

import { NO_GROUP } from "./columns.js";

/** @typedef {import("./columns.js").Columns} Columns */
/** @typedef {import("./derive.js").Derived} Derived */
/**
 * @typedef {object} Fold
 * @property {Uint8Array} open 1 for codes of spans and groups that show what is below them
 * @property {Uint8Array} ungrouped 1 for groups whose spans are shown one by one
 * @property {boolean} grouped whether groups are used at all
 * @property {number} root the only tree that is shown, -1 for all
 * @property {Uint8Array | null} hidden 1 for services that are left out
 * @property {Uint8Array | null} keep 1 for the only spans to show, all of them unfolded
 */
/**
 * @typedef {object} Rows
 * @property {Int32Array} codes
 * @property {Uint16Array} depths
 * @property {Int32Array} place row of each code, -1 where it is not shown
 */

const MEMBERS = 1;
const BELOW = 0;
const [END, LEVEL, KIND, OWNER, GAP, FRAME] = [1, 2, 3, 4, 5, 6];

/** Gaps of each parent by start. @param {Columns} columns @returns {Map<number, number[]>} */
export function gapsByParent({ header }) {
  /** @type {Map<number, number[]>} */
  const found = new Map();
  header.gaps.forEach(({ parent }, k) => {
    const known = found.get(parent);
    if (known) known.push(k);
    else found.set(parent, [k]);
  });
  for (const gaps of found.values()) gaps.sort((a, b) => header.gaps[a].start - header.gaps[b].start);
  return found;
}

/** Memory for the rows of one trace, used again at every change. @param {Columns} columns */
export function room({ header }) {
  const most = header.span_count + header.groups.length + header.gaps.length;
  return { codes: new Int32Array(most), depths: new Uint16Array(most), place: new Int32Array(most) };
}

/**
 * The rows from top to bottom. Depths are those of the screen: groups add a level, hidden spans none.
 * @param {Columns} columns @param {Derived} derived @param {Map<number, number[]>} gapsOf
 * @param {Fold} fold @param {ReturnType<typeof room>} into
 * @returns {Rows}
 */
export function visibleRows(columns, derived, gapsOf, fold, into) {
  const { header, subtree, group, start, op } = columns;
  const { members, memberAt, isGroup, opService } = derived;
  const { open, ungrouped, hidden, keep } = fold;
  const { codes, depths, place } = into;
  const count = header.span_count;
  const firstGap = count + header.groups.length;
  const grouped = fold.grouped && !keep;
  let size = 0;
  place.fill(-1);

  // Frames of the walk lie side by side in one array, FRAME numbers each; the last is at `at`.
  let stack = new Int32Array(FRAME * 256);
  let at = -FRAME;
  const enter = (/** @type {number} */ kind, /** @type {number} */ from, /** @type {number} */ to,
    /** @type {number} */ level, /** @type {number} */ owner) => {
    at += FRAME;
    if (at === stack.length) {
      const larger = new Int32Array(stack.length * 2);
      larger.set(stack);
      stack = larger;
    }
    stack[at] = from;
    stack[at + END] = to;
    stack[at + LEVEL] = level;
    stack[at + KIND] = kind;
    stack[at + OWNER] = owner;
    stack[at + GAP] = 0;
  };
  const emit = (/** @type {number} */ code, /** @type {number} */ level) => {
    place[code] = size;
    codes[size] = code;
    depths[size++] = level < 65535 ? level : 65535;
  };
  const hasGaps = gapsOf.size > 0 && !keep;
  const emitGaps = (/** @type {number} */ until) => {
    const gaps = stack[at + OWNER] >= 0 ? gapsOf.get(stack[at + OWNER]) : undefined;
    if (!gaps) return;
    while (stack[at + GAP] < gaps.length && header.gaps[gaps[stack[at + GAP]]].start < until) {
      emit(firstGap + gaps[stack[at + GAP]++], stack[at + LEVEL]);
    }
  };

  if (fold.root >= 0) enter(MEMBERS, fold.root, fold.root + 1, 0, -1);
  else enter(BELOW, 0, count, 0, -1);
  while (at >= 0) {
    const cursor = stack[at];
    if (cursor >= stack[at + END]) {
      if (hasGaps) emitGaps(Infinity);
      at -= FRAME;
      continue;
    }
    // The frame of a re-rooted trace holds one row; frames of groups hold places in `members`.
    const isMember = stack[at + KIND] === MEMBERS;
    const row = isMember && stack[at + OWNER] !== -1 ? members[cursor] : cursor;
    stack[at] = isMember ? cursor + 1 : cursor + subtree[cursor];
    if (keep && !keep[row]) continue;
    const level = stack[at + LEVEL];
    if (hidden?.[opService[op[row]]]) {
      if (subtree[row] > 1) enter(BELOW, row + 1, row + subtree[row], level, -1);
      continue;
    }
    const mine = group[row];
    if (grouped && !isMember && mine !== NO_GROUP && isGroup[mine] && !ungrouped[mine]) {
      if (members[memberAt[mine]] !== row) continue;
      if (hasGaps) emitGaps(start[row]);
      emit(count + mine, level);
      if (!open[count + mine]) continue;
      if (header.groups[mine].kind === "siblings") {
        enter(MEMBERS, memberAt[mine], memberAt[mine + 1], level + 1, -2);
      } else {
        const last = members[memberAt[mine + 1] - 1];
        enter(BELOW, last + 1, last + subtree[last], level + 1, last);
      }
      continue;
    }
    if (hasGaps) emitGaps(start[row]);
    emit(row, level);
    if ((open[row] || keep) && (subtree[row] > 1 || (hasGaps && gapsOf.has(row)))) {
      enter(BELOW, row + 1, row + subtree[row], level + 1, row);
    }
  }
  return { codes: codes.subarray(0, size), depths: depths.subarray(0, size), place };
}

/**
 * The row that stands for a span: itself, its group, or the nearest shown row above it; -1 for none.
 * @param {Columns} columns @param {Rows} rows @param {number} span
 */
export function standIn({ header, parent, group }, { place }, span) {
  for (let row = span; row >= 0; row = parent[row]) {
    if (place[row] >= 0) return row;
    if (group[row] !== NO_GROUP && place[header.span_count + group[row]] >= 0) return header.span_count + group[row];
  }
  return -1;
}
