// @ts-check
// From the address of the columns to the model: one request, decoded in a worker.

import { ColumnsError, decode } from "./columns.js";
import { derive } from "./derive.js";
import { TraceModel } from "./model.js";

/** @typedef {{columns: import("./columns.js").Columns, derived: import("./derive.js").Derived, times?: Record<string, number>}} Decoded */

/**
 * @param {string} address @returns {Promise<TraceModel>}
 * @throws {ColumnsError} with a sentence for the reader
 */
export async function load(address) {
  const worker = startWorker();
  performance.mark("lp:fetch");
  const response = await fetch(address, { headers: { accept: "application/vnd.longpole.trace-columns" } });
  if (!response.ok) throw new ColumnsError(`the server answered ${response.status}`);
  const buffer = await response.arrayBuffer();
  performance.mark("lp:fetched");
  const { columns, derived } = await decoded(worker, buffer, async () => here(await (await fetch(address)).arrayBuffer()));
  performance.mark("lp:decoded");
  return new TraceModel(columns, derived);
}

function startWorker() {
  try {
    return new Worker(new URL("./decode_worker.js", import.meta.url), { type: "module" });
  } catch {
    return null;
  }
}

/**
 * @param {Worker | null} worker @param {ArrayBuffer} buffer
 * @param {() => Promise<Decoded>} again for a worker that took the buffer and failed to start
 * @returns {Promise<Decoded>}
 */
function decoded(worker, buffer, again) {
  if (!worker) return Promise.resolve(here(buffer));
  return new Promise((resolve, reject) => {
    worker.onerror = () => {
      worker.terminate();
      again().then(resolve, reject);
    };
    worker.onmessage = ({ data }) => {
      worker.terminate();
      if (data.failure) reject(new ColumnsError(data.failure));
      else resolve(data);
    };
    worker.postMessage(buffer, [buffer]);
  });
}

/** @param {ArrayBuffer} buffer @returns {Decoded} */
function here(buffer) {
  const columns = decode(buffer);
  return { columns, derived: derive(columns) };
}
