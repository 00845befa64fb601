// @ts-check
// Long work in pieces: between two of them the browser may answer the reader and paint.

/** Goes on in a task of its own, as soon as there is nothing more urgent to do. @returns {Promise<void>} */
export function nextTask() {
  const { scheduler } = /** @type {{scheduler?: {yield?: () => Promise<void>}}} */ (/** @type {unknown} */ (globalThis));
  if (scheduler?.yield) return scheduler.yield();
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
