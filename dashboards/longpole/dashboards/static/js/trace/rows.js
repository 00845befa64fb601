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
 * @property {number} left spans left out because their service is hidden
 */

const MEMBERS = 1;
const BELOW = 0;

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
  const { header, parent, subtree, group, start, op } = columns;
  const { members, memberAt, isGroup, opService } = derived;
  const { open, ungrouped, hidden, keep } = fold;
  const { codes, depths, place } = into;
  const count = header.span_count;
  const firstGap = count + header.groups.length;
  const grouped = fold.grouped && !keep;
  let size = 0;
  let left = 0;
  place.fill(-1);

  /** @type {number[]} */ const cursors = [];
  /** @type {number[]} */ const ends = [];
  /** @type {number[]} */ const levels = [];
  /** @type {number[]} */ const kinds = [];
  /** @type {number[]} */ const owners = [];
  /** @type {number[]} */ const gapCursors = [];
  const enter = (/** @type {number} */ kind, /** @type {number} */ from, /** @type {number} */ to,
    /** @type {number} */ level, /** @type {number} */ owner) => {
    cursors.push(from); ends.push(to); levels.push(level); kinds.push(kind); owners.push(owner); gapCursors.push(0);
  };
  const emit = (/** @type {number} */ code, /** @type {number} */ level) => {
    place[code] = size;
    codes[size] = code;
    depths[size++] = Math.min(level, 65535);
  };
  const emitGaps = (/** @type {number} */ at, /** @type {number} */ until) => {
    const gaps = owners[at] >= 0 ? gapsOf.get(owners[at]) : undefined;
    if (!gaps || keep) return;
    while (gapCursors[at] < gaps.length && header.gaps[gaps[gapCursors[at]]].start < until) {
      emit(firstGap + gaps[gapCursors[at]++], levels[at]);
    }
  };

  if (fold.root >= 0) enter(MEMBERS, fold.root, fold.root + 1, 0, -1);
  else enter(BELOW, 0, count, 0, -1);
  while (cursors.length) {
    const at = cursors.length - 1;
    const cursor = cursors[at];
    if (cursor >= ends[at]) {
      emitGaps(at, Infinity);
      cursors.pop(); ends.pop(); levels.pop(); kinds.pop(); owners.pop(); gapCursors.pop();
      continue;
    }
    // The frame of a re-rooted trace holds one row; frames of groups hold places in `members`.
    const isMember = kinds[at] === MEMBERS;
    const row = isMember && owners[at] !== -1 ? members[cursor] : cursor;
    cursors[at] = isMember ? cursor + 1 : cursor + subtree[cursor];
    if (keep && !keep[row]) continue;
    const level = levels[at];
    if (hidden?.[opService[op[row]]]) {
      left++;
      if (subtree[row] > 1) enter(BELOW, row + 1, row + subtree[row], level, -1);
      continue;
    }
    const mine = group[row];
    if (grouped && !isMember && mine !== NO_GROUP && isGroup[mine] && !ungrouped[mine]) {
      if (members[memberAt[mine]] !== row) continue;
      emitGaps(at, start[row]);
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
    emitGaps(at, start[row]);
    emit(row, level);
    if ((open[row] || keep) && (subtree[row] > 1 || gapsOf.has(row))) {
      enter(BELOW, row + 1, row + subtree[row], level + 1, row);
    }
  }
  return { codes: codes.subarray(0, size), depths: depths.subarray(0, size), place, left };
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
