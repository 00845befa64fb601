// @ts-check
// The map of the trace: who called whom in it, drawn by the server. A click shows the spans.

import { fragment, fragmentAddress } from "./fragment.js";

/** @typedef {import("./model.js").TraceModel} TraceModel */
/** @typedef {import("./shared.js").Shared} Shared */

/** @param {HTMLElement} host @param {TraceModel} model @param {Shared} shared */
export function mount(host, model, shared) {
  fragment(host, fragmentAddress(shared, "map"), () => {});

  // A link of the map says what to find; it works as a page of its own without scripts.
  host.addEventListener("click", (event) => {
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
    const href = link?.getAttribute("href");
    if (!href) return;
    const address = new URL(href, location.href);
    const wanted = address.searchParams.get("f");
    if (address.origin !== location.origin || wanted === null) return;
    const service = /^"?service:([^"]*)"?$/.exec(wanted)?.[1];
    const index = model.header.services.findIndex(({ name }) => name === service);
    if (index < 0) return;
    event.preventDefault();
    event.stopPropagation();
    const { op } = model.columns;
    model.setMatches(wanted, Uint8Array.from(op, (operation) => (model.derived.opService[operation] === index ? 1 : 0)));
    shared.show("waterfall");
    if (model.matchRows.length) model.select(model.matchRows[0]);
  });
  return {};
}
