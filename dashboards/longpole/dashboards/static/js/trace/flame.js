// @ts-check
// The flame graph: spans in the order of time, or merged by their chain of calls. A click zooms.

import { bind } from "../keys.js";
import { button, element } from "./dom.js";
import { LANE_PX, paintFlame, paintPath } from "./flame_paint.js";
import { itemAt } from "./intervals.js";
import { layouts } from "./layouts.js";
import { beside, mergedPicture, timePicture } from "./pictures.js";
import { contextOf, oncePerFrame } from "./shared.js";

/** @typedef {import("./model.js").TraceModel} TraceModel */
/** @typedef {import("./shared.js").Shared} Shared */
/** @typedef {import("./pictures.js").Picture} Picture */
/** @typedef {import("./merged.js").Width} Width */

const ZOOM_PER_WHEEL_PX = 0.002;
const STEP = 1.5;
const DRAG_PX = 4;
const REACH_PX = 3;
const MOST_CRUMBS = 8;
/** A frame as wide as the window is still seen to have an end. */
const MARGIN = 0.01;
const PARAMETER = "flame";
const MODES = /** @type {const} */ ([["time", "In time"], ["merged", "Merged"]]);
const WIDTHS = /** @type {const} */ ([["critical", "critical path"], ["total", "total time"], ["self", "self time"]]);

/** @param {HTMLElement} host @param {TraceModel} model @param {Shared} shared */
export function mount(host, model, shared) {
  const canvas = element("canvas", { class: "flame-canvas", "aria-hidden": "true" });
  const sticky = element("div", { class: "flame-sticky" }, canvas);
  const space = element("div", { class: "flame-space" }, sticky);
  const scroller = element("div", {
    class: "flame-scroller", tabindex: "0", role: "application", "aria-roledescription": "flame graph",
    "aria-label": "Flame graph: arrow keys go to callers, calls and neighbours, Enter zooms, Escape shows all. The table view has the same figures.",
  }, space);
  const crumbs = element("nav", { class: "flame-crumbs", "aria-label": "Zoomed to" });
  const modes = element("div", { class: "group", role: "group", "aria-label": "Flame graph" });
  const widths = element("select", { "aria-label": "Width of a frame" }, ...WIDTHS.map(([value, text]) => element("option", { value, text })));
  const note = element("span", { class: "muted" });
  const state = element("p", { class: "flame-state muted", role: "status" });
  host.append(element("div", { class: "bar view-tools" }, modes, widths, note, crumbs), scroller, state);

  const asked = /^(time|merged)(?::(critical|total|self))?$/.exec(new URLSearchParams(location.search).get(PARAMETER) ?? "");
  let isTime = asked?.[1] !== "merged";
  let by = /** @type {Width} */ (asked?.[2] ?? "critical");
  /** @type {Picture | null} */
  let picture = null;
  let width = 0;
  let height = 0;
  let hovered = -1;
  /** The item that the window was set to. */
  let zoomed = -1;
  let isShown = true;
  let rectangles = 0;

  // ---- which picture ----

  for (const [name, text] of MODES) {
    modes.append(button(text, name === "time" ? "Spans where they ran" : "Spans with the same chain of calls as one", () => choose(name === "time", by)));
  }
  widths.addEventListener("change", () => choose(false, /** @type {Width} */ (widths.value)));

  /** @param {boolean} time @param {Width} width */
  function choose(time, width) {
    [isTime, by] = [time, width];
    const address = new URL(location.href);
    if (isTime) address.searchParams.delete(PARAMETER);
    else address.searchParams.set(PARAMETER, `merged:${by}`);
    history.replaceState(history.state, "", address);
    build();
  }

  async function build() {
    [...modes.children].forEach((made, i) => made.setAttribute("aria-pressed", String((i === 0) === isTime)));
    widths.hidden = isTime;
    widths.value = by;
    note.textContent = isTime ? "line = critical path" : "widest first, times added up";
    state.textContent = "Laying out …";
    const [time, width] = [isTime, by];
    try {
      const made = time ? timePicture(model, await layouts(model).time()) : mergedPicture(model, await layouts(model).merged(width), width, windowChanged);
      if (time !== isTime || width !== by) return;
      picture = made;
      state.textContent = "";
      zoomed = -1;
      performance.mark("lp:flame-laid-out");
      measure();
      showSelected();
      showCrumbs();
    } catch (error) {
      state.textContent = `The flame graph could not be laid out: ${error instanceof Error ? error.message : error}`;
    }
  }

  // ---- drawing ----

  function measure() {
    width = scroller.clientWidth;
    height = scroller.clientHeight;
    sticky.style.height = `${height}px`;
    space.style.height = `${Math.max(height, (picture?.tower.lanes ?? 0) * LANE_PX + LANE_PX)}px`;
    draw();
  }

  function render() {
    if (!picture || !isShown || !width || !height) return;
    const context = contextOf(canvas, width, height);
    const scene = { width, height, top: scroller.scrollTop, hovered };
    rectangles = paintFlame(context, picture, shared, scene);
    if (picture.isTime) paintPath(context, picture, model, shared, scene);
    performance.mark("lp:flame-painted");
  }
  const draw = oncePerFrame(render);

  function windowChanged() {
    if (zoomed >= 0 && picture) {
      const [from, to] = picture.window();
      const [a, b] = windowOf(zoomed);
      if (Math.abs(from - a) > 1 || Math.abs(to - b) > 1) zoomed = -1;
    }
    showCrumbs();
    draw();
  }

  // ---- zoom ----

  /** @param {number} item @returns {[number, number]} */
  function windowOf(item) {
    const made = /** @type {Picture} */ (picture);
    const margin = made.dur[item] * MARGIN;
    const from = Math.max(0, made.start[item] - margin);
    return [from, Math.min(made.extent, made.start[item] + made.dur[item] + margin)];
  }

  /** @param {number} item -1 for everything */
  function zoomTo(item) {
    if (!picture) return;
    zoomed = item;
    if (item < 0) picture.setWindow(0, picture.extent);
    else if (picture.dur[item] > 0) picture.setWindow(...windowOf(item));
    // The window may be limited to what has ticks; it is the item's all the same.
    zoomed = item;
    showCrumbs();
    draw();
  }

  /** @param {number} factor below 1 is nearer @param {number} [share] of the width that stays where it is */
  function zoomBy(factor, share = 0.5) {
    if (!picture) return;
    const [from, to] = picture.window();
    const size = Math.min(picture.extent, (to - from) * factor);
    const at = from + (to - from) * share;
    picture.setWindow(Math.max(0, at - size * share), Math.max(0, at - size * share) + size);
  }

  /** @param {number} px */
  function pan(px) {
    if (!picture) return;
    const [from, to] = picture.window();
    const by = Math.min(picture.extent - to, Math.max(-from, (px * (to - from)) / Math.max(1, width)));
    if (by) picture.setWindow(from + by, to + by);
  }

  function showCrumbs() {
    if (!picture) return;
    const [from, to] = picture.window();
    const isWhole = from <= 0 && to >= picture.extent;
    /** @type {number[]} */
    const chain = [];
    for (let item = zoomed; item >= 0 && chain.length < MOST_CRUMBS; item = picture.above(item)) chain.unshift(item);
    const whole = button("All", "The whole picture (0)", () => zoomTo(-1), isWhole ? { disabled: "" } : {});
    const made = picture;
    crumbs.replaceChildren(whole, ...chain.flatMap((item) => {
      const isLast = item === zoomed;
      const step = button(made.name(item), "Zoom to this", () => zoomTo(item), { class: "quiet", ...(isLast ? { "aria-current": "true" } : {}) });
      return [element("span", { class: "muted", text: "›" }), step];
    }));
  }

  // ---- selection ----

  function showSelected() {
    const item = picture?.selected() ?? -1;
    if (!picture || item < 0 || !height) return;
    const y = picture.laneOf(item) * LANE_PX;
    if (y < scroller.scrollTop) scroller.scrollTop = Math.max(0, y - LANE_PX);
    else if (y + LANE_PX > scroller.scrollTop + height) scroller.scrollTop = y + 2 * LANE_PX - height;
    draw();
  }

  /** @param {number} item */
  function go(item) {
    if (!picture || item < 0) return;
    shared.select(picture.span(item));
    const [from, to] = picture.window();
    const [a, b] = [picture.start[item], picture.start[item] + picture.dur[item]];
    if (b < from || a > to) picture.setWindow((a + b) / 2 - (to - from) / 2, (a + b) / 2 + (to - from) / 2);
    shared.say(picture.lines(item).map(({ text }) => text).join(", "));
  }

  const here = () => picture?.selected() ?? -1;
  const key = (/** @type {string} */ name, /** @type {string} */ does, /** @type {() => void} */ run) =>
    ({ key: name, does, run, when: () => isShown && document.activeElement === scroller });
  const move = (/** @type {(item: number) => number} */ next) => () => {
    if (picture) go(here() < 0 ? 0 : next(here()));
  };
  bind("Trace: flame graph", [
    key("ArrowUp", "the caller", move((item) => /** @type {Picture} */ (picture).above(item))),
    key("ArrowDown", "the longest call", move((item) => /** @type {Picture} */ (picture).below(item))),
    key("ArrowLeft", "the frame before", move((item) => beside(/** @type {Picture} */ (picture), item, -1))),
    key("ArrowRight", "the frame after", move((item) => beside(/** @type {Picture} */ (picture), item, 1))),
    key("Enter", "zoom to the frame", () => zoomTo(here())),
    key("Escape", "the whole picture", () => zoomTo(-1)),
    key("0", "the whole picture", () => zoomTo(-1)),
    key("+", "zoom in", () => zoomBy(1 / STEP)),
    key("=", "zoom in", () => zoomBy(1 / STEP)),
    key("-", "zoom out", () => zoomBy(STEP)),
    key("Shift+ArrowLeft", "to the left", () => pan(-width / 5)),
    key("Shift+ArrowRight", "to the right", () => pan(width / 5)),
  ]);

  // ---- pointer ----

  /** @param {number} x client px @param {number} y client px */
  function hitTest(x, y) {
    if (!picture || !width) return -1;
    const box = sticky.getBoundingClientRect();
    const lane = Math.floor((y - box.top + scroller.scrollTop) / LANE_PX);
    if (lane < 0 || lane >= picture.tower.lanes || x < box.left || x > box.left + width) return -1;
    const [from, to] = picture.window();
    const perPixel = (to - from) / width;
    return itemAt(picture.tower, picture.start, picture.dur, lane, from + (x - box.left) * perPixel, REACH_PX * perPixel);
  }

  /** @type {{x: number, y: number, isDrag: boolean} | null} */
  let pressed = null;
  scroller.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && event.target === canvas) pressed = { x: event.clientX, y: event.clientY, isDrag: false };
  });
  scroller.addEventListener("pointermove", (event) => {
    if (pressed && event.pointerType !== "touch") {
      const [dx, dy] = [event.clientX - pressed.x, event.clientY - pressed.y];
      if (!pressed.isDrag && Math.abs(dx) + Math.abs(dy) < DRAG_PX) return;
      if (!pressed.isDrag) scroller.setPointerCapture(event.pointerId);
      pressed = { x: event.clientX, y: event.clientY, isDrag: true };
      pan(-dx);
      scroller.scrollTop -= dy;
      shared.hint(0, 0, null);
      return;
    }
    const item = event.target === canvas ? hitTest(event.clientX, event.clientY) : -1;
    shared.hint(event.clientX, event.clientY, item < 0 || !picture ? null : picture.lines(item));
    canvas.classList.toggle("on-frame", item >= 0);
    if (item === hovered) return;
    hovered = item;
    draw();
  });
  scroller.addEventListener("pointerup", (event) => {
    const wasClick = pressed && !pressed.isDrag;
    pressed = null;
    if (!wasClick || !picture) return;
    const item = hitTest(event.clientX, event.clientY);
    if (item < 0) return;
    shared.select(picture.span(item));
    zoomTo(item);
    scroller.focus({ preventScroll: true });
  });
  scroller.addEventListener("pointercancel", () => (pressed = null));
  scroller.addEventListener("pointerleave", () => {
    shared.hint(0, 0, null);
    hovered = -1;
    draw();
  });
  scroller.addEventListener("scroll", draw, { passive: true });
  scroller.addEventListener("wheel", (event) => {
    const sideways = event.shiftKey && !event.deltaX ? event.deltaY : event.deltaX;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      zoomBy(Math.exp(event.deltaY * ZOOM_PER_WHEEL_PX), Math.min(1, Math.max(0, (event.clientX - sticky.getBoundingClientRect().left) / Math.max(1, width))));
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      pan(sideways);
    }
  }, { passive: false });

  // ---- in step with the other views ----

  for (const name of ["look", "find"]) model.addEventListener(name, draw);
  model.addEventListener("window", () => picture?.isTime && windowChanged());
  model.addEventListener("select", showSelected);
  document.addEventListener("themechange", draw);
  new ResizeObserver(() => isShown && measure()).observe(scroller);
  Object.defineProperty(window, "longpoleFlame", { configurable: true, value: {
    hitTest, zoomTo, picture: () => picture, rectangles: () => rectangles, render,
  } });
  build();
  return {
    shown() {
      isShown = true;
      measure();
      showSelected();
    },
    left() {
      isShown = false;
      shared.hint(0, 0, null);
    },
  };
}
