// @ts-check
// The entry of the trace page: fetches the columns, mounts the viewer, keeps its state in the URL.
// Until it has started, and if it cannot, the table of the server is what the reader has.

import { load } from "./load.js";
import { element } from "./dom.js";
import { nextTask } from "./next_task.js";
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
  const twins = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-without-script]"));
  try {
    const model = await load(host.dataset.columns, Number(host.dataset.spans));
    await nextTask();
    // Before the viewer measures itself, which lays out whatever is on the page.
    for (const twin of twins) twin.hidden = true;
    await startViewer(host, model);
    performance.mark("lp:started");
  } catch (error) {
    for (const twin of twins) twin.hidden = false;
    const why = error instanceof Error ? error.message : String(error);
    failed = why;
    host.classList.add("viewer");
    host.replaceChildren(element("p", { class: "warn", role: "status", text: `The viewer could not start: ${why}. The table below has the spans.` }));
    console.error(error);
  }
}
