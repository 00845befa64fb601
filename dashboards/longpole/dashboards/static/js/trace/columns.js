// @ts-check
// LPT1, the columns of one trace: bytes to typed arrays, trusting nothing.
//
//   "LPT1" | u32 length of the header | header (JSON, padded to 8) | arrays, each at a multiple of 8
//
// Everything that later code relies on to stay inside of its arrays and to end its loops is checked
// here once: a wrong byte is an error with a sentence, never an endless loop or a row out of nowhere.

export const NO_GROUP = -1;

/** Bits of `flags`; the lowest three are the kind. */
export const FLAG = Object.freeze({
  ERROR: 8, ON_PATH: 16, ORPHAN: 32, EVENTS: 64, LINKS: 128, LOGS: 256, ASYNC: 512, SHIFTED: 1024, EXCEPTION: 2048,
});
export const KIND_MASK = 7;

/**
 * @typedef {object} Group rows that are shown as one
 * @property {number} parent row, -1 for none
 * @property {"siblings" | "chain"} kind
 * @property {string} label
 * @property {number} count
 * @property {number} total_ns
 * @property {number} mean_ns
 * @property {number} max_ns
 * @property {"sequential" | "parallel" | "mixed"} order
 * @property {number} first_row
 */
/**
 * @typedef {object} Gap time on the path that no span explains
 * @property {number} parent row
 * @property {number} start ticks
 * @property {number} end ticks
 * @property {number} ns
 */
/**
 * @typedef {object} Header what the arrays mean
 * @property {1} version
 * @property {string} trace_id
 * @property {number} revision
 * @property {boolean} settled
 * @property {number} span_count
 * @property {string} start_unix_nano
 * @property {string} duration_ns
 * @property {number} tick_ns
 * @property {number} extent_ticks
 * @property {number} root_start_ticks
 * @property {number} root_end_ticks
 * @property {{name: string, colour: number, hatched?: boolean}[]} services hatched: its colour is also another's
 * @property {{name: string, service: number}[]} operations
 * @property {string[]} kinds
 * @property {Group[]} groups
 * @property {Gap[]} gaps
 * @property {string[]} labels
 * @property {number[]} open
 * @property {number} selected
 * @property {{row: number, share: number, ns: number, reason: string}[]} bottlenecks
 * @property {{message: string, count?: number}[]} problems
 * @property {Record<string, any>} completeness
 */
/**
 * @typedef {object} Columns rows are spans in preorder; times are ticks since the start
 * @property {Header} header
 * @property {Uint32Array} start
 * @property {Uint32Array} dur
 * @property {Uint32Array} self
 * @property {Uint32Array} critical
 * @property {Int32Array} parent
 * @property {Uint32Array} op
 * @property {Uint16Array} depth
 * @property {Uint16Array} flags
 * @property {Int32Array} group
 * @property {Uint32Array} subtree
 * @property {Uint32Array} seg_row
 * @property {Uint32Array} seg_start
 * @property {Uint32Array} seg_end
 * @property {Uint8Array} seg_label
 * @property {Uint32Array} mark_row
 * @property {Uint32Array} mark_time
 * @property {Uint8Array} mark_kind
 * @property {Uint8Array} mark_severity
 * @property {Uint32Array} link_row
 */

/** What is wrong with the bytes, in words for the reader of the page. */
export class ColumnsError extends Error {}

const TYPES = Object.freeze({ u32: Uint32Array, i32: Int32Array, u16: Uint16Array, u8: Uint8Array });
const OF_SPANS = Object.freeze({
  start: "u32", dur: "u32", self: "u32", critical: "u32", parent: "i32", op: "u32", depth: "u16", flags: "u16",
  group: "i32", subtree: "u32",
});
/** Lists beside the spans: the first array of each gives the length of its companions. */
const LISTS = Object.freeze([
  { seg_row: "u32", seg_start: "u32", seg_end: "u32", seg_label: "u8" },
  { mark_row: "u32", mark_time: "u32", mark_kind: "u8", mark_severity: "u8" },
  { link_row: "u32" },
]);

/**
 * The columns in a response. The arrays are views of the buffer, nothing is copied.
 * @param {ArrayBuffer} buffer
 * @returns {Columns}
 * @throws {ColumnsError}
 */
export function decode(buffer) {
  const bytes = new Uint8Array(buffer);
  if (bytes.length < 8 || String.fromCharCode(...bytes.subarray(0, 4)) !== "LPT1") {
    throw new ColumnsError("these are no columns of a trace");
  }
  const length = new DataView(buffer).getUint32(4, true);
  const bodyAt = 8 + length;
  if (bodyAt > bytes.length || bodyAt % 8) throw new ColumnsError("the columns end inside of their header");
  const header = parse(bytes.subarray(8, bodyAt));
  const count = header.span_count;
  const named = new Map(list(header, "arrays").map((entry) => [entry?.name, entry]));
  /** @type {Record<string, any>} */
  const columns = { header };
  const take = (/** @type {string} */ name, /** @type {string} */ type, /** @type {number | null} */ wanted) => {
    columns[name] = view(buffer, bodyAt, named.get(name), name, type, wanted);
    return columns[name].length;
  };
  for (const [name, type] of Object.entries(OF_SPANS)) take(name, type, count);
  for (const group of LISTS) {
    /** @type {number | null} */
    let size = null;
    for (const [name, type] of Object.entries(group)) {
      if (size === null && !named.has(name)) named.set(name, { name, type, offset: 0, length: 0 });
      else if (size === 0 && !named.has(name)) named.set(name, { name, type, offset: 0, length: 0 });
      size = take(name, type, size);
    }
  }
  const found = /** @type {Columns} */ (columns);
  checkTree(found);
  checkReferences(found);
  return found;
}

/** @param {Uint8Array} bytes @returns {any} */
function parse(bytes) {
  let header;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new ColumnsError("the header of the columns is not JSON");
  }
  if (header === null || typeof header !== "object") throw new ColumnsError("the header of the columns is no object");
  if (header.version !== 1) throw new ColumnsError(`columns of version ${Number(header.version)}; this page reads version 1`);
  if (!Number.isInteger(header.span_count) || header.span_count < 0) throw new ColumnsError("span_count is no count");
  if (!(header.tick_ns >= 1)) throw new ColumnsError("tick_ns is no length of time");
  for (const name of ["services", "operations", "arrays"]) list(header, name);
  for (const name of ["kinds", "groups", "gaps", "labels", "open", "bottlenecks", "problems"]) {
    if (!Array.isArray(header[name])) header[name] = [];
  }
  for (const name of ["extent_ticks", "root_start_ticks", "root_end_ticks"]) header[name] = Number(header[name]) || 0;
  header.completeness ??= {};
  return header;
}

/** @param {any} header @param {string} name @returns {any[]} */
function list(header, name) {
  if (!Array.isArray(header[name])) throw new ColumnsError(`the header has no ${name}`);
  return header[name];
}

/**
 * @param {ArrayBuffer} buffer @param {number} bodyAt @param {any} entry
 * @param {string} name @param {string} type @param {number | null} wanted length, null for any
 */
function view(buffer, bodyAt, entry, name, type, wanted) {
  if (!entry) throw new ColumnsError(`the array ${name} is missing`);
  const { offset, length } = entry;
  const Type = TYPES[/** @type {keyof typeof TYPES} */ (type)];
  const isCount = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (entry.type !== type || !isCount || offset % 8) throw new ColumnsError(`the array ${name} is described wrongly`);
  if (wanted !== null && length !== wanted) throw new ColumnsError(`the array ${name} has ${length} values instead of ${wanted}`);
  if (bodyAt + offset + length * Type.BYTES_PER_ELEMENT > buffer.byteLength) {
    throw new ColumnsError(`the array ${name} ends after the end of the columns`);
  }
  return new Type(buffer, bodyAt + offset, length);
}

/** Preorder: a subtree is the rows right after its top, inside of the parent's. @param {Columns} columns */
function checkTree({ header, parent, subtree }) {
  const count = header.span_count;
  for (let row = 0; row < count; row++) {
    const above = parent[row];
    const end = row + subtree[row];
    const limit = above < 0 ? count : above + subtree[above];
    if (subtree[row] < 1 || above < -1 || above >= row || end > limit || row >= limit) {
      throw new ColumnsError(`the tree of the columns is broken at row ${row}`);
    }
  }
}

/** Indexes lead to something. @param {Columns} columns */
function checkReferences({ header, op, group, seg_row, mark_row, link_row }) {
  const count = header.span_count;
  const { operations, services, groups } = header;
  for (const { service } of operations) {
    if (!(service >= 0 && service < services.length)) throw new ColumnsError("an operation without a service");
  }
  for (let row = 0; row < count; row++) {
    if (op[row] >= operations.length) throw new ColumnsError(`row ${row} has no operation`);
    if (group[row] >= groups.length || group[row] < NO_GROUP) throw new ColumnsError(`row ${row} is in no group`);
  }
  for (const rows of [seg_row, mark_row, link_row]) {
    for (let i = 0; i < rows.length; i++) {
      if (rows[i] >= count) throw new ColumnsError("a segment, marker or link of no span");
    }
  }
  const isRow = (/** @type {any} */ row) => Number.isInteger(row) && row >= 0 && row < count;
  header.open = header.open.filter(isRow);
  header.bottlenecks = header.bottlenecks.filter((entry) => isRow(entry?.row));
  header.gaps = header.gaps.filter((gap) => isRow(gap?.parent) && gap.end >= gap.start);
  if (!isRow(header.selected)) header.selected = count ? 0 : -1;
}
