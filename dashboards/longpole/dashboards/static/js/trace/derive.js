// @ts-check
// What is computed once from the columns, in the worker: counts that make every later question cheap.
//
// Rows are in preorder, so "how many errors are below this row" is a difference of two prefix sums, and
// the parts of a row (path segments, markers) are one range of an array ordered by row.

import { FLAG, NO_GROUP } from "./columns.js";

/** The small picture of the whole trace: columns of time by lines of rows. */
export const MAP_WIDTH = 1024;
export const MAP_HEIGHT = 40;

/** @typedef {import("./columns.js").Columns} Columns */
/**
 * @typedef {object} Derived
 * @property {Uint32Array} opService service of each operation
 * @property {Uint32Array} errorsBefore errors in rows before i, N + 1 values
 * @property {Uint32Array} errorRows
 * @property {Uint32Array} memberAt first member of each group in `members`, G + 1 values
 * @property {Uint32Array} members rows in groups, by group, in row order
 * @property {Uint8Array} isGroup 1 for groups whose rows are as the header says
 * @property {Float64Array} groupSelf ticks of self time of each group
 * @property {Float64Array} groupCritical ticks on the path of each group
 * @property {Float64Array} groupFrom start of the first span of each group
 * @property {Float64Array} groupTo end of the last
 * @property {Uint32Array} groupErrors errors in and below the spans of each group
 * @property {Uint32Array} pathAt first path segment of each row in `pathOrder`, N + 1 values
 * @property {Uint32Array} pathOrder indexes of segments by row
 * @property {Uint32Array} markAt first marker of each row in `markOrder`, N + 1 values
 * @property {Uint32Array} markOrder indexes of markers by row
 * @property {Uint32Array} serviceSpans spans of each service
 * @property {Float64Array} serviceCritical ticks on the path of each service
 * @property {Uint16Array} map MAP_WIDTH x MAP_HEIGHT cells: 0 or 1 + the service of the longest span there
 * @property {number} mapLines lines of the map in use
 */

/** @param {Columns} columns @returns {Derived} */
export function derive(columns) {
  const { header, flags, op, critical, seg_row, mark_row } = columns;
  const count = header.span_count;
  const opService = Uint32Array.from(header.operations, (operation) => operation.service);
  const errorsBefore = new Uint32Array(count + 1);
  const serviceSpans = new Uint32Array(header.services.length);
  const serviceCritical = new Float64Array(header.services.length);
  for (let row = 0; row < count; row++) {
    errorsBefore[row + 1] = errorsBefore[row] + (flags[row] & FLAG.ERROR ? 1 : 0);
    const service = opService[op[row]];
    serviceSpans[service]++;
    serviceCritical[service] += critical[row];
  }
  const errorRows = new Uint32Array(errorsBefore[count]);
  for (let row = 0, found = 0; found < errorRows.length; row++) {
    if (flags[row] & FLAG.ERROR) errorRows[found++] = row;
  }
  const [memberAt, members] = membersOf(columns);
  const [pathAt, pathOrder] = byRow(seg_row, count);
  const [markAt, markOrder] = byRow(mark_row, count);
  return {
    opService, errorsBefore, errorRows, memberAt, members, isGroup: soundGroups(columns, memberAt, members),
    ...sumsOfGroups(columns, memberAt, members, errorsBefore),
    pathAt, pathOrder, markAt, markOrder, serviceSpans, serviceCritical, ...smallMap(columns, opService),
  };
}

/** The buffers of a derived set, to be moved between threads. @param {Derived} derived */
export function buffersOf(derived) {
  /** @type {ArrayBuffer[]} */
  const buffers = [];
  for (const value of Object.values(derived)) if (typeof value !== "number") buffers.push(/** @type {ArrayBuffer} */ (value.buffer));
  return buffers;
}

/**
 * Counting sort: indexes of `rows` by row, and where each row begins.
 * @param {Uint32Array} rows @param {number} count @returns {[Uint32Array, Uint32Array]}
 */
function byRow(rows, count) {
  const at = new Uint32Array(count + 1);
  for (let i = 0; i < rows.length; i++) at[rows[i] + 1]++;
  for (let row = 0; row < count; row++) at[row + 1] += at[row];
  const next = at.slice();
  const order = new Uint32Array(rows.length);
  for (let i = 0; i < rows.length; i++) order[next[rows[i]]++] = i;
  return [at, order];
}

/** @param {Columns} columns @returns {[Uint32Array, Uint32Array]} */
function membersOf({ header, group }) {
  const at = new Uint32Array(header.groups.length + 1);
  for (let row = 0; row < group.length; row++) if (group[row] !== NO_GROUP) at[group[row] + 1]++;
  for (let i = 0; i < header.groups.length; i++) at[i + 1] += at[i];
  const next = at.slice();
  const members = new Uint32Array(at[header.groups.length]);
  for (let row = 0; row < group.length; row++) if (group[row] !== NO_GROUP) members[next[group[row]]++] = row;
  return [at, members];
}

/**
 * Siblings have one parent, a chain is one span inside of the other; anything else is shown ungrouped.
 * @param {Columns} columns @param {Uint32Array} memberAt @param {Uint32Array} members
 */
function soundGroups({ header, parent, subtree }, memberAt, members) {
  const sound = new Uint8Array(header.groups.length);
  for (let group = 0; group < sound.length; group++) {
    const { kind } = header.groups[group];
    let isSound = memberAt[group + 1] - memberAt[group] > 1 && (kind === "chain" || kind === "siblings");
    for (let i = memberAt[group] + 1; isSound && i < memberAt[group + 1]; i++) {
      const row = members[i];
      const before = members[i - 1];
      isSound = kind === "siblings" ? parent[row] === parent[before]
        : row === before + 1 && parent[row] === before && subtree[before] === subtree[row] + 1;
    }
    sound[group] = isSound ? 1 : 0;
  }
  return sound;
}

/**
 * @param {Columns} columns @param {Uint32Array} memberAt @param {Uint32Array} members @param {Uint32Array} errorsBefore
 */
function sumsOfGroups({ header, self, critical, start, dur, subtree }, memberAt, members, errorsBefore) {
  const count = header.groups.length;
  const groupSelf = new Float64Array(count);
  const groupCritical = new Float64Array(count);
  const groupFrom = new Float64Array(count).fill(Infinity);
  const groupTo = new Float64Array(count);
  const groupErrors = new Uint32Array(count);
  for (let group = 0; group < count; group++) {
    // The spans of a chain lie in each other, so the first has all errors.
    const isChain = header.groups[group].kind === "chain";
    for (let i = memberAt[group]; i < memberAt[group + 1]; i++) {
      const row = members[i];
      groupSelf[group] += self[row];
      groupCritical[group] += critical[row];
      groupFrom[group] = Math.min(groupFrom[group], start[row]);
      groupTo[group] = Math.max(groupTo[group], start[row] + dur[row]);
      if (!isChain || i === memberAt[group]) groupErrors[group] += errorsBefore[row + subtree[row]] - errorsBefore[row];
    }
  }
  return { groupSelf, groupCritical, groupFrom, groupTo, groupErrors };
}

/**
 * Rows as lines of a small picture: what lies in a cell is the service of the longest span there.
 * @param {Columns} columns @param {Uint32Array} opService
 */
function smallMap({ header, start, dur, op }, opService) {
  const count = header.span_count;
  const lines = Math.min(count, MAP_HEIGHT);
  const map = new Uint16Array(MAP_WIDTH * lines);
  const longest = new Float64Array(MAP_WIDTH);
  const scale = MAP_WIDTH / Math.max(1, header.extent_ticks);
  let line = -1;
  let [coverFirst, coverLast, coverDur] = [1, 0, -1];
  for (let row = 0; row < count; row++) {
    const mine = Math.floor((row * lines) / count);
    if (mine !== line) {
      line = mine;
      longest.fill(-1);
      [coverFirst, coverLast, coverDur] = [1, 0, -1];
    }
    const first = Math.min(MAP_WIDTH - 1, Math.floor(start[row] * scale));
    const last = Math.min(MAP_WIDTH - 1, Math.max(first, Math.ceil((start[row] + dur[row]) * scale) - 1));
    const service = Math.min(65534, opService[op[row]]) + 1;
    // A span inside of a longer one of its line changes nothing: this bounds the work for wide traces.
    if (first >= coverFirst && last <= coverLast && dur[row] <= coverDur) continue;
    [coverFirst, coverLast, coverDur] = [first, last, dur[row]];
    for (let x = first; x <= last; x++) {
      if (longest[x] < dur[row]) {
        longest[x] = dur[row];
        map[line * MAP_WIDTH + x] = service;
      }
    }
  }
  return { map, mapLines: lines };
}
