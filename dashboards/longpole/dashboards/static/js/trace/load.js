// @ts-check
// From the address of the columns to the model: one request, decoded in a worker if that is much work.

import { ColumnsError, decode } from "./columns.js";
import { derive } from "./derive.js";
import { TraceModel } from "./model.js";

/** @typedef {{columns: import("./columns.js").Columns, derived: import("./derive.js").Derived, times?: Record<string, number>}} Decoded */

/** Up to here decoding takes less time than a worker needs to start and to fetch its three scripts. */
const MOST_DECODED_HERE = 12_000;

/**
 * @param {string} address the page has asked for it in its head already, so that this must be the same request
 * @param {number} spans how many to expect
 * @returns {Promise<TraceModel>}
 * @throws {ColumnsError} with a sentence for the reader
 */
export async function load(address, spans) {
  const worker = spans > MOST_DECODED_HERE ? startWorker() : null;
  performance.mark("lp:fetch");
  const response = await fetch(address);
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
