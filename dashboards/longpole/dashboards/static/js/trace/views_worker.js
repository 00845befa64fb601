// @ts-check
// Lays out flame graphs and counts spans off the main thread. The columns are sent once, as copies.

import { pyramid } from "./intervals.js";
import { lanesOf } from "./lanes.js";
import { chainsOf, laidOut } from "./merged.js";
import { tally } from "./tally.js";

/** @typedef {{start: Uint32Array, dur: Uint32Array, self: Uint32Array, critical: Uint32Array, parent: Int32Array, op: Uint32Array, flags: Uint16Array, operations: number, extent: number}} Sent */
/** @typedef {{what: "columns", sent: Sent} | {what: "time"} | {what: "merged", by: import("./merged.js").Width} | {what: "tally", keys: Int32Array, size: number}} Question */

/** @type {Sent | null} */
let columns = null;
/** @type {import("./merged.js").Chains | null} */
let chains = null;

/** @param {Sent} sent @param {Question} question */
function answer(sent, question) {
  switch (question.what) {
    case "time": {
      const { lane, lanes } = lanesOf(sent.start, sent.dur, sent.parent);
      return { lane, tower: pyramid(sent.start, sent.dur, lane, lanes, sent.extent) };
    }
    case "merged": {
      chains ??= chainsOf(sent, sent.operations);
      const { start, width, extent, depths } = laidOut(chains, question.by);
      return { chains, start, width, extent, tower: pyramid(start, width, chains.depth, depths, extent) };
    }
    case "tally":
      return tally(sent, question.keys, question.size);
    default:
      return null;
  }
}

self.addEventListener("message", ({ data }) => {
  const { id, question } = /** @type {{id: number, question: Question}} */ (data);
  try {
    if (question.what === "columns") columns = question.sent;
    else if (columns) self.postMessage({ id, found: answer(columns, question) });
  } catch (error) {
    self.postMessage({ id, failed: error instanceof Error ? error.message : String(error) });
  }
});
