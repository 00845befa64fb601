// @ts-check
// The waterfall: rows of the tree beside bars of time. Elements for text, one canvas for time.

import { paint, partAt } from "./bars.js";
import { element } from "./dom.js";
import { duration, percent } from "./duration.js";
import { ROW_PX, TALL_ROW_PX, indentOffset, scaleOf, scrollTopOf, spaceHeight, topOf } from "./geometry.js";
import { inert } from "./inert.js";
import { rowPool } from "./row_pool.js";
import { ruler } from "./ruler.js";
import { contextOf, oncePerFrame } from "./shared.js";

/** @typedef {import("./model.js").TraceModel} TraceModel */
/** @typedef {import("./shared.js").Shared} Shared */

const NARROW_PX = 640;
const FIGURES_PX = 136;
const RIGHT_PX = 12;
const LEAST_NAME_PX = 140;
const NAME_SHARE = 0.42;
const BAR_IN_ROW = 6;
const BAR_IN_TALL_ROW = 26;
const ZOOM_PER_WHEEL_PX = 0.002;
const DRAG_PX = 4;
const REMEMBERED = "longpole.name-width";

/** @param {HTMLElement} host @param {TraceModel} model @param {Shared} shared */
export function mount(host, model, shared) {
  const canvas = element("canvas", { class: "bars", "aria-hidden": "true" });
  const rowsBox = element("div", { class: "sticky" }, canvas);
  const space = element("div", { class: "space" }, rowsBox);
  const scroller = element("div", { class: "scroller", role: "rowgroup" }, space);
  const rulerCanvas = element("canvas", { class: "ruler", "aria-hidden": "true" });
  const divider = element("div", { class: "divider", role: "separator", "aria-orientation": "vertical", "aria-label": "Width of the names",
    tabindex: "0", "aria-valuemin": String(LEAST_NAME_PX), "aria-valuemax": "1200" });
  const head = element("div", { class: "wf-head", role: "row", "aria-rowindex": "1" },
    element("div", { role: "columnheader", class: "name", text: "Operation" }),
    element("div", { role: "columnheader", class: "self", text: "Self" }),
    element("div", { role: "columnheader", class: "total", text: "Total" }));
  const grid = element("div", { class: "waterfall", role: "treegrid", "aria-label": "Spans of the trace", "aria-multiselectable": "false" }, head, scroller);
  host.append(grid, divider, rulerCanvas);

  const pool = rowPool(rowsBox, model);
  let top = 0;
  let view = 0;
  let width = 0;
  let stamp = 0;
  let pointer = -1;
  let isWholeShown = false;
  let nameWidth = remembered();
  /** @type {number | null} */
  let expectedScroll = null;

  const isNarrow = () => width < NARROW_PX;
  const rowPx = () => (isNarrow() ? TALL_ROW_PX : ROW_PX);
  const total = () => model.rows.codes.length * rowPx();
  const left = () => (isNarrow() ? 12 : nameWidth + FIGURES_PX);
  const scale = () => scaleOf(model.from, model.to, left(), Math.max(10, width - left() - RIGHT_PX));
  const rule = ruler(rulerCanvas, model, shared, () => scaleOf(model.from, model.to, 0, scale().width));

  function remembered() {
    try {
      return Number(localStorage.getItem(REMEMBERED)) || 0;
    } catch {
      return 0;
    }
  }

  function measure() {
    // Behind another view it has no size, and keeps what it had.
    if (!rowsBox.clientWidth || !scroller.clientHeight) return;
    const isFirst = !view;
    width = rowsBox.clientWidth;
    view = scroller.clientHeight;
    if (!nameWidth) nameWidth = Math.round(Math.max(LEAST_NAME_PX, (width - FIGURES_PX) * NAME_SHARE));
    nameWidth = Math.min(nameWidth, Math.max(LEAST_NAME_PX, width - FIGURES_PX - 160));
    grid.classList.toggle("narrow", isNarrow());
    // Only what is new: everything below takes these up, so that each costs the styles of all of it.
    for (const [name, px] of [["--name-width", nameWidth], ["--row-height", rowPx()]]) {
      if (host.style.getPropertyValue(String(name)) !== `${px}px`) host.style.setProperty(String(name), `${px}px`);
    }
    divider.setAttribute("aria-valuenow", String(nameWidth));
    rulerCanvas.style.width = `${scale().width}px`;
    rowsBox.style.height = `${view}px`;
    space.style.height = `${Math.max(view, spaceHeight(total()))}px`;
    clampTop();
    stamp++;
    // Whoever measures first: the page opens at what its verdict is about.
    if (isFirst) showSelected(true);
    else draw();
  }

  function clampTop() {
    top = Math.max(0, Math.min(top, total() - view));
  }

  /** @param {number} to px of all rows */
  function scrollTo(to) {
    top = to;
    clampTop();
    expectedScroll = scrollTopOf(top, total(), view);
    scroller.scrollTop = expectedScroll;
    draw();
  }

  const frameNow = () => {
    const row = rowPx();
    const first = Math.max(0, Math.floor(top / row));
    return {
      first, last: Math.min(model.rows.codes.length, Math.ceil((top + view) / row)), offset: Math.round(first * row - top), row,
      bar: isNarrow() ? BAR_IN_TALL_ROW : BAR_IN_ROW, width, height: view, scale: scale(), pointer, hasGrid: !isNarrow(),
    };
  };

  function render() {
    if (!view || !width) return;
    const frame = frameNow();
    const depths = model.rows.depths.subarray(frame.first, frame.last);
    const indentBy = indentOffset(depths, isNarrow() ? width : nameWidth);
    pool.show(frame.first, frame.last, stamp * 65536 + indentBy, frame.offset, frame.row, indentBy);
    paint(contextOf(canvas, width, view), model, shared, frame);
    rule.draw(pointer < 0 ? -1 : pointer - frame.scale.left);
    if (!isWholeShown) {
      isWholeShown = true;
      performance.mark("lp:waterfall-painted");
    }
  }
  const draw = oncePerFrame(render);

  function changed() {
    stamp++;
    grid.setAttribute("aria-rowcount", String(model.rows.codes.length + 1));
    space.style.height = `${Math.max(view, spaceHeight(total()))}px`;
    clampTop();
    draw();
  }

  /** Brings the selected row on screen; `third` puts it at one third of the height. @param {boolean} third */
  function showSelected(third) {
    const place = model.selectedPlace;
    if (!view) return;
    const y = place * rowPx();
    if (place < 0) draw();
    else if (third) scrollTo(y - view / 3);
    else if (y < top) scrollTo(y);
    else if (y + rowPx() > top + view) scrollTo(y + rowPx() - view);
    else draw();
  }

  /** A selected row outside of the window of time is panned to. */
  function showTime() {
    if (model.selected < 0) return;
    const [from, to] = model.extentOf(model.selected);
    if (to >= model.from && from <= model.to) return;
    const middle = (from + to) / 2;
    const half = (model.to - model.from) / 2;
    model.setWindow(middle - half, middle + half);
  }

  let wasFar = false;
  model.addEventListener("rows", changed);
  model.addEventListener("look", changed);
  model.addEventListener("find", changed);
  model.addEventListener("window", draw);
  model.addEventListener("select", () => {
    stamp++;
    const place = model.selectedPlace;
    wasFar = place * rowPx() < top - rowPx() * 2 || place * rowPx() > top + view + rowPx();
    const hadFocus = grid.contains(document.activeElement);
    showSelected(wasFar);
    showTime();
    if (hadFocus) focusSelected();
    draw();
  });
  document.addEventListener("themechange", draw);

  function focusSelected() {
    render();
    pool.at(model.selectedPlace)?.focus({ preventScroll: true });
  }

  // ---- scrolling, zooming, panning ----

  scroller.addEventListener("scroll", () => {
    const isOurs = expectedScroll !== null && Math.abs(scroller.scrollTop - expectedScroll) < 2;
    expectedScroll = null;
    if (isOurs) return;
    top = topOf(scroller.scrollTop, total(), view);
    shared.hint(0, 0, null);
    draw();
  }, { passive: true });
  scroller.addEventListener("wheel", (event) => {
    const unit = event.deltaMode === 1 ? rowPx() : event.deltaMode === 2 ? view : 1;
    const sideways = event.shiftKey && !event.deltaX ? event.deltaY : event.deltaX;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      const at = scale().ticks(event.clientX - rowsBox.getBoundingClientRect().left);
      model.zoom(Math.exp(event.deltaY * unit * ZOOM_PER_WHEEL_PX), Math.min(model.to, Math.max(model.from, at)));
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      model.pan((sideways * unit) / scale().perTick);
    } else if (scroller.scrollHeight < total()) {
      // Rows scrolled by share: a turn of the wheel is still that many pixels.
      event.preventDefault();
      scrollTo(top + event.deltaY * unit);
    }
  }, { passive: false });

  /** @type {{x: number, from: number, isPan: boolean} | null} */
  let pressed = null;
  const xOf = (/** @type {MouseEvent} */ event) => event.clientX - rowsBox.getBoundingClientRect().left;
  rowsBox.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType === "touch" || xOf(event) < left()) return;
    pressed = { x: xOf(event), from: model.from, isPan: false };
  });
  rowsBox.addEventListener("pointermove", (event) => {
    const x = xOf(event);
    if (pressed && (pressed.isPan || Math.abs(x - pressed.x) > DRAG_PX) && !model.isWhole) {
      if (!pressed.isPan) rowsBox.setPointerCapture(event.pointerId);
      pressed.isPan = true;
      model.pan(pressed.from - (x - pressed.x) / scale().perTick - model.from);
      shared.hint(0, 0, null);
      return;
    }
    pointer = x >= left() && event.pointerType !== "touch" ? x : -1;
    hover(event, x);
    draw();
  });
  const leave = () => {
    pointer = -1;
    shared.hint(0, 0, null);
    draw();
  };
  rowsBox.addEventListener("pointerleave", leave);
  rowsBox.addEventListener("pointercancel", () => (pressed = null));
  let wasPan = false;
  rowsBox.addEventListener("pointerup", () => {
    wasPan = pressed?.isPan ?? false;
    pressed = null;
  });
  rowsBox.addEventListener("click", (event) => {
    if (wasPan) {
      wasPan = false;
      return;
    }
    const hit = hitTest(event.clientX, event.clientY);
    if (!hit) return;
    const target = event.target instanceof Element ? event.target : null;
    if (target?.closest(".caret") && model.canOpen(hit.code)) {
      if (event.altKey || event.shiftKey) model.setAllOpen(!model.isOpen(hit.code), hit.code);
      else model.setOpen(hit.code);
      return;
    }
    if (target?.closest(".repeat") && model.isGroup(hit.code)) {
      model.setGrouped(hit.code - model.count, false);
      return;
    }
    model.selectRow(hit.code);
    pool.at(model.selectedPlace)?.focus({ preventScroll: true });
    if (hit.part === "arrow") zoomTo(hit.code);
    shared.openPanel();
  });
  rowsBox.addEventListener("dblclick", (event) => {
    const hit = hitTest(event.clientX, event.clientY);
    if (!hit) return;
    if (event.clientX - rowsBox.getBoundingClientRect().left >= left()) zoomTo(hit.code);
    else model.setOpen(hit.code);
  });

  /** @param {number} code */
  function zoomTo(code) {
    const [from, to] = model.extentOf(code);
    const air = Math.max(1, (to - from) * 0.05);
    model.setWindow(from - air, to + air);
  }

  /** @param {PointerEvent} event @param {number} x */
  function hover(event, x) {
    const hit = x >= left() && event.pointerType !== "touch" ? hitTest(event.clientX, event.clientY) : null;
    if (!hit || hit.part === "none") shared.hint(0, 0, null);
    else shared.hint(event.clientX, event.clientY, linesOf(hit.code, hit.part, hit.mark));
  }

  /** @param {number} code @param {string} part @param {number} mark */
  function linesOf(code, part, mark) {
    const [from, to] = model.extentOf(code);
    const span = model.spanOf(code);
    const lines = [{ text: model.isGap(code) ? "No span explains this time" : `${inert(model.service(span))} › ${inert(model.isGroup(code) ? model.groupOf(code).label : model.operation(span))}` }];
    if (part === "mark") {
      const { mark_kind, mark_time } = model.columns;
      lines.push({ text: `${["event", "exception", "log record"][mark_kind[mark]] ?? "event"} at ${duration(model.ns(mark_time[mark]))}` });
    }
    if (model.isGroup(code)) {
      const group = model.groupOf(code);
      lines.push({ text: `${group.count} spans, ${group.order}: ${duration(Number(group.total_ns))} together, ${duration(Number(group.mean_ns))} each, at most ${duration(Number(group.max_ns))}` });
    }
    lines.push({ text: `${duration(model.ns(to - from))}, from ${duration(model.ns(from))} to ${duration(model.ns(to))}` });
    const path = model.criticalOf(code);
    if (path > 0) lines.push({ text: `${duration(model.ns(path))} on the critical path (${percent(path / model.rootTicks)})` });
    return lines;
  }

  // ---- the divider ----

  /** @param {number} to px */
  function setNameWidth(to) {
    nameWidth = Math.round(Math.min(Math.max(LEAST_NAME_PX, to), width - FIGURES_PX - 160));
    try {
      localStorage.setItem(REMEMBERED, String(nameWidth));
    } catch { /* a browser may forbid it: the width then lasts as long as the page */ }
    measure();
  }
  divider.addEventListener("pointerdown", (event) => {
    divider.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  divider.addEventListener("pointermove", (event) => {
    if (divider.hasPointerCapture(event.pointerId)) setNameWidth(xOf(event) - FIGURES_PX);
  });
  divider.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -16, ArrowRight: 16 }[event.key];
    if (!step) return;
    event.preventDefault();
    setNameWidth(nameWidth + step);
  });

  // ---- what tests and other parts ask ----

  /** What is at a point of the page: the code of the row and the part of it; null outside of the rows.
   * @param {number} clientX @param {number} clientY */
  function hitTest(clientX, clientY) {
    const box = rowsBox.getBoundingClientRect();
    const [x, y] = [clientX - box.left, clientY - box.top];
    if (x < 0 || y < 0 || x >= width || y >= view) return null;
    const place = Math.floor((y + top) / rowPx());
    if (place >= model.rows.codes.length) return null;
    const code = model.rows.codes[place];
    const now = scale();
    const found = x < left() ? { part: "name", mark: -1 } : partAt(model, now, code, x);
    return { code, place, span: model.spanOf(code), ticks: now.ticks(x), ...found };
  }

  /** The rows on screen with where their bars are, in pixels of the page. */
  function rowsOnScreen() {
    const box = rowsBox.getBoundingClientRect();
    const frame = frameNow();
    return Array.from(model.rows.codes.subarray(frame.first, frame.last), (code, i) => {
      const [from, to] = model.extentOf(code);
      const kind = model.isSpan(code) ? "span" : model.isGroup(code) ? "group" : "gap";
      return { code, kind, place: frame.first + i, span: model.spanOf(code), depth: model.rows.depths[frame.first + i],
        y: box.top + frame.offset + i * frame.row, height: frame.row, x0: box.left + frame.scale.x(from), x1: box.left + frame.scale.x(to) };
    });
  }

  new ResizeObserver(() => {
    // At the start everything has been measured and drawn just before.
    if (!view || rowsBox.clientWidth !== width || scroller.clientHeight !== view) measure();
  }).observe(scroller);
  changed();
  return { shown: measure, hitTest, rowsOnScreen, focusSelected, zoomTo, contentPx: () => total(), page: () => Math.max(1, Math.floor(view / rowPx()) - 1), grid };
}

