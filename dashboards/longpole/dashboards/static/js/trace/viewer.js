// @ts-check
// Puts the viewer together: toolbar, minimap, views, panel, keys, and the state in the URL.

import { readState, writeState } from "./address.js";
import { element, paletteIndex } from "./dom.js";
import { finder } from "./find.js";
import { hintCard } from "./hint.js";
import { inert } from "./inert.js";
import { bindKeys } from "./keys_of_trace.js";
import { legend } from "./legend.js";
import { minimap } from "./minimap.js";
import { movesOf } from "./moves.js";
import { nextTask } from "./next_task.js";
import { panel } from "./panel.js";
import { VIEWS, oncePerFrame, readColours } from "./shared.js";
import { statusLine } from "./status.js";
import { toolbar } from "./toolbar.js";
import * as waterfall from "./waterfall.js";

/** @typedef {import("./model.js").TraceModel} TraceModel */
/** @typedef {import("./shared.js").Shared} Shared */
/** @typedef {import("./shared.js").ViewName} ViewName */
/** @typedef {import("./shared.js").View} View */

const WIDE_PX = 1200;
const LEAST_BODY_PX = 300;
const KEEP_PX = 48;
const HEAD_PX = 40;
const WRITE_AFTER_MS = 150;

/** Views other than the waterfall are fetched when first shown. @type {Record<string, string>} */
const MODULES = { flame: "flame", table: "table", map: "trace_map", logs: "logs" };

/**
 * In two tasks: what is around the views, then the view itself.
 * @param {HTMLElement} host the section of the page @param {TraceModel} model
 */
export async function startViewer(host, model) {
  const asked = readState(location.search);
  const traceId = host.dataset.trace ?? model.header.trace_id;
  const api = `/api/v1/traces/${encodeURIComponent(traceId)}`;
  const options = new URL(host.dataset.columns ?? "", location.href).searchParams;
  options.delete("span");
  const withOptions = (/** @type {string} */ address, /** @type {Record<string, string>} */ more = {}) => {
    const search = new URLSearchParams([...options, ...Object.entries(more)]).toString();
    return search ? `${address}?${search}` : address;
  };

  // ---- the frame ----
  const tools = element("div", { class: "viewer-tools" });
  const overview = element("div", { class: "overview" });
  const crumbs = element("nav", { class: "crumbs", "aria-label": "Shown part of the trace", hidden: true });
  const views = element("div", { class: "views" });
  const resizer = element("div", { class: "resizer", role: "separator", "aria-orientation": "vertical", "aria-label": "Width of the details", tabindex: "0", "aria-valuemin": "320", "aria-valuemax": "720", "aria-valuenow": "420", hidden: true });
  const details = element("aside", { class: "details", "aria-label": "Details of the selected span", hidden: true });
  const body = element("div", { class: "viewer-body" }, views, resizer, details);
  const status = element("div", { class: "viewer-status" });
  const live = element("div", { class: "unseen", role: "status", "aria-live": "polite" });
  const template = host.querySelector("template[data-panel]");
  const first = template instanceof HTMLTemplateElement ? template.content : null;
  host.replaceChildren(tools, overview, crumbs, body, status, live);
  host.classList.add("viewer");

  // ---- what views share ----
  let colours = readColours(host);
  const refresh = () => {
    colours = readColours(host);
  };
  // Before the listeners of the views, which then draw in the new colours.
  document.addEventListener("themechange", refresh, { capture: true });
  for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
    matchMedia(query).addEventListener("change", () => document.dispatchEvent(new CustomEvent("themechange")));
  }
  const paletteOf = (/** @type {number} */ service) => paletteIndex(model.header.services[service].colour);
  const say = (/** @type {string} */ text) => {
    live.textContent = text;
    line.say(text);
  };
  /** @type {Promise<BigUint64Array> | null} */
  let ids = null;
  const allIds = () => {
    ids ??= fetch(withOptions(`${api}/ids`)).then(async (response) => {
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      const found = new BigUint64Array(await response.arrayBuffer());
      if (found.length !== model.count) throw new Error("the trace has changed since the page was opened");
      return found;
    });
    ids.catch(() => (ids = null));
    return ids;
  };
  /** @type {Shared} */
  const shared = {
    select(span, { grouped = false, reveal = false } = {}) {
      model.select(span, { grouped });
      details_.setOpen(true);
      if (reveal) show("waterfall");
    },
    setWindow: (from, to) => model.setWindow(from, to),
    show: (view) => show(view),
    openPanel: () => details_.setOpen(true),
    colours: () => colours,
    barColour: (service) => colours.bars[paletteOf(service)],
    onBarColour: (service) => colours.onBars[paletteOf(service)],
    say,
    spanId: async (span) => (await allIds())[span].toString(16).padStart(16, "0"),
    async copy(text, what) {
      try {
        await navigator.clipboard.writeText(text);
        say(`Copied the ${what}`);
      } catch {
        say(`The browser does not let us copy; the ${what} is: ${text}`);
      }
    },
    hint: hintCard(host),
    traceId,
    options,
  };

  // ---- parts ----
  const moves = movesOf(model, say);
  const find = finder(model, (query) => withOptions(`${api}/find`, { q: query }), say);
  const line = statusLine(status, model);
  const bar = toolbar(tools, model, moves, { show: (view) => show(view), find, logs: model.columns.mark_kind.reduce((sum, kind) => sum + (kind === 2 ? 1 : 0), 0) });
  minimap(overview, model, shared);
  legend(overview, model);
  const copyLink = async () => shared.copy(await linkNow(), "link");
  const copyJson = async () => {
    try {
      const row = model.spanOf(model.selected);
      const response = await fetch(`${api}/spans/${await shared.spanId(row)}?row=${row}`);
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      await shared.copy(await response.text(), "span as JSON");
    } catch (error) {
      say(`Not copied: ${error instanceof Error ? error.message : error}`);
    }
  };
  const details_ = panel(host, details, resizer, model, shared, {
    fragment: (span) => withOptions(`/traces/${encodeURIComponent(traceId)}/rows/${span}/panel`, { rows: host.dataset.spans ?? "" }), first, link: copyLink, json: copyJson,
  });

  // ---- views ----
  /** @type {Map<ViewName, {box: HTMLElement, view: View}>} */
  const mounted = new Map();
  /** @type {ViewName | null} */
  let current = null;
  for (const name of VIEWS) {
    views.append(element("div", { id: `view-${name}`, class: `view view-${name}`, role: "tabpanel", "aria-labelledby": `tab-${name}`, hidden: true }));
  }

  /** @param {ViewName} name */
  async function show(name) {
    if (current === name) return;
    const hadFocus = views.contains(document.activeElement);
    if (current) {
      mounted.get(current)?.view.left?.();
      /** @type {HTMLElement} */ (views.querySelector(`#view-${current}`)).hidden = true;
    }
    current = name;
    bar.setView(name);
    // The first view has a height once it is mounted: before that it would be laid out for nothing.
    if (mounted.size) fit();
    const box = /** @type {HTMLElement} */ (views.querySelector(`#view-${name}`));
    box.hidden = false;
    if (!mounted.has(name)) {
      mounted.set(name, { box, view: {} });
      try {
        const view = name === "waterfall" ? waterfall.mount(box, model, shared) : (await import(`./${MODULES[name]}.js`)).mount(box, model, shared);
        mounted.set(name, { box, view: view ?? {} });
      } catch (error) {
        mounted.delete(name);
        box.replaceChildren(element("p", { class: "warn", text: `This view could not start: ${error instanceof Error ? error.message : error}` }));
        console.error(error);
      }
    }
    if (current === name) fit();
    // What had the focus is hidden now, and the focus would begin anew at the top of the page.
    if (current === name && hadFocus) focusView(name, box);
    writeSoon();
  }

  /** @param {ViewName} name @param {HTMLElement} box */
  function focusView(name, box) {
    if (name === "waterfall") /** @type {any} */ (mounted.get(name)?.view)?.focusSelected();
    else /** @type {HTMLElement | null} */ (box.querySelector("[tabindex='0'], button, a[href]"))?.focus({ preventScroll: true });
  }

  // ---- height: the viewer fills what is left of the first screen, or a screen of its own ----
  const contentPx = () => /** @type {any} */ (mounted.get("waterfall")?.view)?.contentPx?.() ?? 0;
  function fit() {
    const above = body.getBoundingClientRect().top + scrollY;
    const rest = innerHeight - above - KEEP_PX;
    const own = innerHeight - (body.getBoundingClientRect().top - host.getBoundingClientRect().top) - KEEP_PX;
    const most = rest >= LEAST_BODY_PX ? rest : Math.max(LEAST_BODY_PX, own);
    // A short trace does not need a tall frame around it, unless there are details beside it.
    const isBeside = details_.isOpen() && innerWidth >= WIDE_PX;
    const wanted = (current ?? "waterfall") === "waterfall" && !isBeside ? Math.max(LEAST_BODY_PX, contentPx() + HEAD_PX) : most;
    const height = `${Math.round(Math.min(most, wanted))}px`;
    if (host.style.getPropertyValue("--body-height") !== height) host.style.setProperty("--body-height", height);
    host.classList.toggle("docked-below", innerWidth < WIDE_PX);
    mounted.get(current ?? "waterfall")?.view.shown?.();
  }
  addEventListener("resize", fit);

  // ---- re-rooted ----
  function showCrumbs() {
    const { root } = model.fold;
    crumbs.hidden = root < 0;
    if (root < 0) return;
    /** @type {number[]} */
    const above = [];
    for (let row = model.columns.parent[root]; row >= 0 && above.length < 6; row = model.columns.parent[row]) above.unshift(row);
    const step = (/** @type {string} */ text, /** @type {number} */ span) => {
      const made = element("button", { type: "button", class: "quiet" }, element("bdi", { text }));
      made.addEventListener("click", () => model.setRoot(span));
      return made;
    };
    crumbs.replaceChildren(step("Whole trace", -1), ...above.flatMap((row) => ["›", step(inert(model.operation(row), 40), row)]), "›",
      element("b", {}, element("bdi", { text: inert(model.operation(root), 60) })));
  }
  model.addEventListener("rows", showCrumbs);
  model.addEventListener("rows", oncePerFrame(fit));

  // ---- the URL ----
  let hasChosen = asked.span !== "";
  let spanId = asked.span;
  let twin = -1;
  let timer = 0;
  const stateNow = () => /** @type {import("./address.js").State} */ ({
    view: current ?? "waterfall", span: spanId, twin, find: model.query, only: model.matchesOnly, critical: model.criticalOnly,
    grouped: model.fold.grouped, root: model.fold.root,
    time: model.isWhole ? null : [model.ns(model.from), model.ns(model.to)],
  });
  function writeSoon() {
    clearTimeout(timer);
    timer = setTimeout(write, WRITE_AFTER_MS);
  }
  async function write() {
    if (hasChosen && model.selected >= 0) {
      const selected = model.selected;
      const row = model.spanOf(selected);
      const known = await allIds().catch(() => null);
      if (selected === model.selected && known) {
        spanId = known[row].toString(16).padStart(16, "0");
        twin = known.indexOf(known[row]) === known.lastIndexOf(known[row]) ? -1 : row;
      }
    }
    history.replaceState(history.state, "", location.pathname + writeState(location.search, stateNow()) + location.hash);
  }
  async function linkNow() {
    hasChosen = model.selected >= 0;
    await write();
    return location.href;
  }

  /** Puts a state on the viewer that came with the page or with a link on it. @param {import("./address.js").State} state */
  function apply(state) {
    if (state.root >= 0 && state.root < model.count) model.setRoot(state.root);
    model.setGrouping(state.grouped);
    if (state.time) model.setWindow(state.time[0] / model.tickNs, state.time[1] / model.tickNs);
    if (state.critical !== model.criticalOnly) model.setCriticalOnly(state.critical);
    if (state.find !== model.query) {
      bar.setFind(state.find);
      model.matchesOnly = state.only;
      find(state.find);
    }
  }

  /** Links of the verdict and the ribbon select in place. @param {MouseEvent} event */
  async function follow(event) {
    if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    const href = link?.getAttribute("href") ?? link?.getAttribute("xlink:href");
    if (!link || !href || link.hasAttribute("download") || link.hasAttribute("data-load")) return;
    const address = new URL(href, location.href);
    if (address.origin !== location.origin || address.pathname !== location.pathname || !address.search || !/[?&](span|view|t|cp)=/.test(address.search)) return;
    event.preventDefault();
    const state = readState(address.search);
    let row = Number(link.getAttribute("data-row") ?? NaN);
    if (!Number.isInteger(row) && state.span) {
      const wanted = BigInt(`0x${state.span}`);
      const known = await allIds().catch(() => null);
      row = known ? known.indexOf(wanted) : -1;
      if (!known) {
        location.assign(address);
        return;
      }
    }
    if (address.searchParams.has("cp")) model.setCriticalOnly(state.critical);
    if (state.time) model.setWindow(state.time[0] / model.tickNs, state.time[1] / model.tickNs);
    if (row >= 0 && row < model.count) {
      hasChosen = true;
      shared.select(row, { grouped: true });
    }
    await show(state.view);
    if (body.getBoundingClientRect().top > innerHeight - 200) host.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }
  document.addEventListener("click", follow);

  // ---- start ----
  await nextTask();
  details_.setOpen(innerWidth >= WIDE_PX);
  show("waterfall").then(() => {
    if (asked.span) model.select(model.header.selected);
    apply(asked);
    if (asked.view !== "waterfall") show(asked.view);
    model.addEventListener("select", () => {
      hasChosen = true;
    });
    for (const name of ["select", "window", "look", "find", "rows"]) model.addEventListener(name, writeSoon);
  });
  const flow = mounted.get("waterfall")?.view;
  bindKeys({ model, moves, bar, panel: details_, show, current: () => current ?? "waterfall", waterfall: /** @type {any} */ (flow), copyLink, copyJson });
  host.addEventListener("lp:focus", () => /** @type {any} */ (mounted.get("waterfall")?.view)?.focusSelected());
  /** @type {any} */ (window).longpoleTrace = {
    model, shared,
    hitTest: (/** @type {number} */ x, /** @type {number} */ y) => /** @type {any} */ (mounted.get("waterfall")?.view)?.hitTest(x, y) ?? null,
    rowsOnScreen: () => /** @type {any} */ (mounted.get("waterfall")?.view)?.rowsOnScreen() ?? [],
  };
}
