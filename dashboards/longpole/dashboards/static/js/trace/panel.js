// @ts-check
// Details of the selected row. What the columns know is there at once; the rest is a fragment of HTML from
// the server, asked for by row. A newer selection calls off what was asked for an older one.

import { FLAG } from "./columns.js";
import { button, colourClass, element } from "./dom.js";
import { duration, percent } from "./duration.js";
import { inert } from "./inert.js";

/** @typedef {import("./model.js").TraceModel} TraceModel */
/** @typedef {import("./shared.js").Shared} Shared */

const LEAST_PX = 320;
const MOST_PX = 720;
const FIRST_PX = 420;
const WAIT_MS = 60;
const REMEMBERED = "longpole.panel-width";

/**
 * @param {HTMLElement} viewer @param {HTMLElement} host @param {HTMLElement} resizer @param {TraceModel} model @param {Shared} shared
 * @param {{fragment: (span: number) => string, first: DocumentFragment | null, link: () => void, json: () => void}} from
 */
export function panel(viewer, host, resizer, model, shared, from) {
  const close = button("✕", "Close the details (Esc)", () => setOpen(false), { class: "quiet close" });
  const title = element("h2", { class: "panel-title" });
  const facts = element("div", { class: "panel-facts" });
  const tools = element("div", { class: "bar panel-tools" });
  const body = element("div", { class: "panel-body", "aria-live": "off" });
  host.append(element("div", { class: "panel-head" }, title, close), facts, tools, body);
  /** @type {AbortController | null} */
  let asked = null;
  let timer = 0;
  let shown = -1;
  /** The fragment that came with the page, for the row selected at first. */
  let first = from.first;
  // Nothing is asked for until the reader does something: the page itself needs two requests, not more.
  let isAwake = false;

  function isOpen() { return !host.hidden; }

  /** @param {boolean} open */
  function setOpen(open) {
    const hadFocus = host.contains(document.activeElement);
    host.hidden = resizer.hidden = !open;
    viewer.classList.toggle("with-panel", open);
    if (open) show();
    else if (hadFocus) viewer.querySelector("[role=row].selected")?.dispatchEvent(new CustomEvent("lp:focus", { bubbles: true }));
  }

  function show() {
    if (!isOpen() || model.selected < 0 || shown === model.selected) return;
    shown = model.selected;
    summary(shown);
    load(model.spanOf(shown));
  }

  /** @param {number} code */
  function summary(code) {
    const span = model.spanOf(code);
    const group = model.isGroup(code) ? model.groupOf(code) : null;
    title.replaceChildren(element("span", { class: `key ${colourClass(model.header.services[model.serviceOf(span)])}` }), element("bdi", { class: "muted", text: inert(model.service(span)) }),
      " › ", element("bdi", { text: inert(group?.label || model.operation(span), 500) }));
    // What of the server's facts of a span stands above them already.
    host.classList.toggle("of-span", model.isSpan(code));
    const [start, end] = model.extentOf(code);
    const critical = model.criticalOf(code);
    /** @type {[string, string][]} */
    const list = model.isGap(code) ? [["No spans for", duration(model.totalNs(code))], ["Inside of", inert(model.operation(span))]] : [
      ["Total", duration(model.totalNs(code))],
      ["Self", duration(model.ns(model.selfOf(code)))],
      ["On the critical path", critical > 0 ? `${duration(model.ns(critical))} · ${percent(critical / model.rootTicks)}` : "no time"],
    ];
    if (group) list.push(["Group", `${group.count} spans, ${group.order}`], ["Each", `${duration(Number(group.mean_ns))}, at most ${duration(Number(group.max_ns))}`]);
    else if (model.isSpan(code) && model.kind(span)) list.push(["Kind", model.kind(span)]);
    list.push(["Starts at", duration(model.ns(start))], ["Ends at", duration(model.ns(end))]);
    const errors = model.errorsIn(code);
    if (model.isSpan(code) && model.has(code, FLAG.ERROR)) list.push(["Status", "✕ error"]);
    else if (errors) list.push(["Errors inside", `✕ ${errors}`]);
    facts.replaceChildren(element("dl", {}, ...list.flatMap(([name, value]) => [element("dt", { text: name }),
      element("dd", { text: value, class: value.startsWith("✕") ? "error" : undefined })])));
    const made = [button("Zoom to", "Zoom to this (s)", () => shared.setWindow(start, end)), button("Copy link", "Copy the link to this view (y)", from.link)];
    if (!model.isGap(code)) {
      made.push(button("Copy JSON", "Copy the span as JSON (Y)", from.json));
      made.push(button("Copy id", "Copy the span id", async () => shared.copy(await shared.spanId(span), "span id")));
      if (model.isSpan(code) && model.columns.subtree[code] > 1) made.push(button("Only this tree", "Show only what is below this span (r)", () => model.setRoot(code)));
    }
    if (group) {
      made.push(button(`Show ${group.count} spans`, "Show the spans of this group", () => {
        if (group.kind === "chain") model.setGrouped(code - model.count, false);
        else model.setOpen(code, true);
      }));
    }
    tools.replaceChildren(...made);
  }

  /** @param {number} span */
  function load(span) {
    asked?.abort();
    clearTimeout(timer);
    if (first && span === model.header.selected) {
      fill(first.cloneNode(true));
      return;
    }
    if (!isAwake) {
      body.replaceChildren(button("Attributes, events and logs", "Ask the server for all of the span", wake, { class: "wide" }));
      return;
    }
    const mine = (asked = new AbortController());
    body.setAttribute("aria-busy", "true");
    body.classList.add("waiting");
    // Holding a key down passes many rows: only the one where it stops is asked for.
    timer = setTimeout(async () => {
      try {
        const response = await fetch(from.fragment(span), { signal: mine.signal });
        if (response.status === 409) return changed();
        if (!response.ok) throw new Error(`the server answered ${response.status}`);
        const parsed = new DOMParser().parseFromString(await response.text(), "text/html");
        if (!mine.signal.aborted) fill(parsed.body);
      } catch (error) {
        if (mine.signal.aborted) return;
        body.replaceChildren(element("p", { class: "warn", text: `The details did not come: ${error instanceof Error ? error.message : error}` }),
          button("Again", "Ask again", () => load(span)));
        ready();
      }
    }, WAIT_MS);
  }

  /** More of the trace has come, so that this row is another span now. */
  function changed() {
    body.replaceChildren(element("p", { class: "warn", text: "The trace has grown since this page was made." }),
      button("Load it anew", "Load this page again, with all spans", () => location.reload()));
    ready();
  }

  /** @param {Node} content */
  function fill(content) {
    const filter = attributeFilter(body);
    body.replaceChildren(...content.childNodes);
    document.dispatchEvent(new CustomEvent("partloaded", { detail: body }));
    if (body.querySelector("table, dl")) body.prepend(filter);
    ready();
    viewer.dispatchEvent(new CustomEvent("lp:panel"));
  }

  function ready() {
    body.removeAttribute("aria-busy");
    body.classList.remove("waiting");
  }

  function wake() {
    if (isAwake) return;
    isAwake = true;
    if (!isOpen()) return;
    shown = -1;
    show();
  }

  model.addEventListener("select", () => {
    isAwake = true;
    show();
  });
  body.addEventListener("click", copyFrom);

  /** Buttons of the fragment: `data-copy` is what they copy. @param {MouseEvent} event */
  function copyFrom(event) {
    const made = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
    if (made instanceof HTMLElement) shared.copy(made.dataset.copy ?? "", made.dataset.what ?? "value");
  }

  // ---- width ----

  /** @param {number} px */
  function setWidth(px) {
    const width = Math.round(Math.min(MOST_PX, Math.max(LEAST_PX, px)));
    viewer.style.setProperty("--panel-width", `${width}px`);
    resizer.setAttribute("aria-valuenow", String(width));
    try {
      localStorage.setItem(REMEMBERED, String(width));
    } catch { /* a browser may forbid it: the width then lasts as long as the page */ }
  }
  resizer.addEventListener("pointerdown", (event) => {
    resizer.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  resizer.addEventListener("pointermove", (event) => {
    if (resizer.hasPointerCapture(event.pointerId)) setWidth(viewer.getBoundingClientRect().right - event.clientX);
  });
  resizer.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: 24, ArrowRight: -24 }[event.key];
    if (!step) return;
    event.preventDefault();
    setWidth(host.getBoundingClientRect().width + step);
  });
  let width = FIRST_PX;
  try {
    width = Number(localStorage.getItem(REMEMBERED)) || FIRST_PX;
  } catch { /* as above */ }
  viewer.style.setProperty("--panel-width", `${width}px`);

  return {
    setOpen, isOpen, wake,
    focus: () => /** @type {HTMLElement | null} */ (host.querySelector("button:not(.close), input"))?.focus(),
  };
}

/** A field that leaves only the rows of the fragment with its text. @param {HTMLElement} body */
function attributeFilter(body) {
  const input = element("input", { type: "search", class: "attribute-filter", placeholder: "Filter attributes", "aria-label": "Filter attributes" });
  input.addEventListener("input", () => {
    const text = input.value.trim().toLowerCase();
    for (const row of body.querySelectorAll("tbody tr, dl > div")) {
      /** @type {HTMLElement} */ (row).hidden = !(row.textContent ?? "").toLowerCase().includes(text);
    }
  });
  return input;
}
