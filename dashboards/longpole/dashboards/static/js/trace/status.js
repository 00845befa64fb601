// @ts-check
// The line below the views: how much of the trace is here, what is missing, what just happened.

import { element } from "./dom.js";

const SAID_MS = 6000;

/** @param {HTMLElement} host @param {import("./model.js").TraceModel} model */
export function statusLine(host, model) {
  const { header } = model;
  const number = (/** @type {number} */ value) => value.toLocaleString("en");
  const plural = (/** @type {number} */ count, /** @type {string} */ one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;
  const facts = [`${number(model.count)} of ${plural(header.span_count, "span")} loaded`];
  const { orphans = 0, late = 0, skew_shifts: shifts } = header.completeness;
  if (orphans) facts.push(`${plural(orphans, "span")} without parent`);
  if (late) facts.push(`${number(late)} late`);
  const shifted = Array.isArray(shifts) ? shifts.length : Number(shifts ? Object.keys(shifts).length || shifts : 0);
  if (shifted) facts.push(`clocks put right on ${plural(shifted, "host")}`);
  if (!header.settled) facts.push("still receiving");
  const left = element("span", { text: facts.join(" · ") });
  const pruned = element("span", { class: "pruned" });
  const said = element("span", { class: "said", "aria-hidden": "true" });
  const key = element("span", { class: "muted push" }, element("span", { class: "ink-sample", "aria-hidden": "true" }), " critical path  ", element("kbd", { text: "b" }), " next bottleneck  ", element("kbd", { text: "?" }), " all keys");
  host.append(left, pruned, said, key);
  model.addEventListener("look", () => {
    const hidden = model.derived.serviceSpans.reduce((sum, spans, service) => sum + (model.isHidden(service) ? spans : 0), 0);
    pruned.textContent = hidden ? `${plural(hidden, "span")} of hidden services left out` : "";
  });
  let timer = 0;
  return {
    /** @param {string} text */
    say(text) {
      said.textContent = text;
      clearTimeout(timer);
      timer = setTimeout(() => (said.textContent = ""), SAID_MS);
    },
  };
}
