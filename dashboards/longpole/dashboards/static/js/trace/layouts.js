// @ts-check
// What the flame graph and the table ask their worker for. One worker for a page, made at the first question.

/** @typedef {import("./model.js").TraceModel} TraceModel */
/** @typedef {import("./intervals.js").Pyramid} Pyramid */
/** @typedef {{lane: Uint32Array, tower: Pyramid}} TimeLayout */
/** @typedef {{chains: import("./merged.js").Chains, start: Float64Array, width: Float64Array, extent: number, tower: Pyramid}} MergedLayout */

/** @type {WeakMap<TraceModel, ReturnType<typeof started>>} */
const known = new WeakMap();

/** @param {TraceModel} model */
export function layouts(model) {
  const found = known.get(model) ?? started(model);
  known.set(model, found);
  return found;
}

/** @param {TraceModel} model */
function started(model) {
  const worker = new Worker(new URL("./views_worker.js", import.meta.url), { type: "module" });
  /** @type {Map<number, {resolve: (found: any) => void, reject: (error: Error) => void}>} */
  const waiting = new Map();
  let next = 0;
  worker.addEventListener("message", ({ data }) => {
    const asked = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.failed !== undefined) asked?.reject(new Error(data.failed));
    else asked?.resolve(data.found);
  });
  worker.addEventListener("error", (event) => {
    for (const { reject } of waiting.values()) reject(new Error(event.message || "the worker did not start"));
    waiting.clear();
  });
  const { start, dur, self, critical, parent, op, flags } = model.columns;
  const sent = { start, dur, self, critical, parent, op, flags, operations: model.header.operations.length, extent: model.extent };
  worker.postMessage({ id: next++, question: { what: "columns", sent } });
  /** @param {import("./views_worker.js").Question} question @returns {Promise<any>} */
  const ask = (question) => new Promise((resolve, reject) => {
    waiting.set(next, { resolve, reject });
    worker.postMessage({ id: next++, question });
  });
  /** @type {Map<string, Promise<any>>} */
  const answers = new Map();
  /** Asked once; a failure may be asked again. @param {string} key @param {import("./views_worker.js").Question} question */
  const once = (key, question) => {
    const asked = answers.get(key) ?? ask(question);
    answers.set(key, asked);
    asked.catch(() => answers.delete(key));
    return asked;
  };
  return {
    /** @returns {Promise<TimeLayout>} */
    time: () => once("time", { what: "time" }),
    /** @param {import("./merged.js").Width} by @returns {Promise<MergedLayout>} */
    merged: (by) => once(`merged ${by}`, { what: "merged", by }),
    /** @param {string} name @param {Int32Array} keys @param {number} size @returns {Promise<import("./tally.js").Tally>} */
    tally: (name, keys, size) => once(`tally ${name}`, { what: "tally", keys, size }),
  };
}
