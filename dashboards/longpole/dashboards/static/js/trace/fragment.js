// @ts-check
// A piece of a page that the server renders, asked for once and put into a view.

import { button, element } from "./dom.js";

/**
 * @param {HTMLElement} host @param {string} address @param {() => void} done called when it is there
 */
export function fragment(host, address, done) {
  host.setAttribute("aria-busy", "true");
  host.replaceChildren(element("p", { class: "muted", role: "status", text: "Loading …" }));
  fetch(address, { headers: { accept: "text/html" } }).then(async (response) => {
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const parsed = new DOMParser().parseFromString(await response.text(), "text/html");
    host.replaceChildren(...parsed.body.childNodes);
    document.dispatchEvent(new CustomEvent("partloaded", { detail: host }));
    done();
  }).catch((error) => {
    host.replaceChildren(element("p", { class: "warn", text: `This did not come: ${error instanceof Error ? error.message : error}` }),
      button("Again", "Ask again", () => fragment(host, address, done)));
  }).finally(() => host.removeAttribute("aria-busy"));
}

/** The address of a fragment with the path options of the page. @param {import("./shared.js").Shared} shared @param {string} name */
export function fragmentAddress(shared, name) {
  const search = new URLSearchParams([...shared.options, ["fragment", "1"]]);
  return `/traces/${encodeURIComponent(shared.traceId)}/${name}?${search}`;
}
