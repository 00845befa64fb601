// @ts-check
// The entry of the trace page: fetches the columns, mounts the viewer, keeps its state in the URL.
// Until it has started, and if it cannot, the table of the server is what the reader has.

import { load } from "./load.js";
import { element } from "./dom.js";
import { startViewer } from "./viewer.js";

const host = /** @type {HTMLElement | null} */ (document.getElementById("viewer"));

let failed = "";

/** Times of the steps, in milliseconds since the page was asked for; `failed` says why there are no more. */
function times() {
  const marks = Object.fromEntries(performance.getEntriesByType("mark").filter(({ name }) => name.startsWith("lp:"))
    .map(({ name, startTime }) => [name.slice(3), startTime]));
  return failed ? { ...marks, failed } : marks;
}
Object.defineProperty(window, "__lp_perf", { get: times, configurable: true });

if (host?.dataset.columns) {
  performance.mark("lp:script");
  try {
    const model = await load(host.dataset.columns, Number(host.dataset.spans));
    startViewer(host, model);
    for (const twin of document.querySelectorAll("[data-without-script]")) /** @type {HTMLElement} */ (twin).hidden = true;
    performance.mark("lp:started");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    failed = why;
    host.classList.add("viewer");
    host.replaceChildren(element("p", { class: "warn", role: "status", text: `The viewer could not start: ${why}. The table below has the spans.` }));
    console.error(error);
  }
}
