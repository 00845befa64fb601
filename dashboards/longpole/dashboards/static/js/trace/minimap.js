// @ts-check
// The whole trace in one strip: every span as a dot, the critical path below, errors above, and the
// window of time as what is not shaded. The picture of the spans was made in the worker.

import { MAP_WIDTH } from "./derive.js";
import { contextOf, oncePerFrame } from "./shared.js";

/** @typedef {import("./model.js").TraceModel} TraceModel */

const PATH_PX = 4;
const ERRORS_PX = 4;
const HANDLE_PX = 6;

/** @param {HTMLElement} host @param {TraceModel} model @param {import("./shared.js").Shared} shared */
export function minimap(host, model, shared) {
  const canvas = document.createElement("canvas");
  canvas.className = "minimap";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "The whole trace: drag to zoom; the keys + and - zoom, Shift with arrows pans");
  host.append(canvas);
  /** @type {HTMLCanvasElement | null} */
  let picture = null;
  let width = 0;
  let height = 0;
  /** @type {{kind: "range" | "from" | "to" | "move", at: number, from: number, to: number} | null} */
  let dragged = null;

  const x = (/** @type {number} */ ticks) => (ticks / model.extent) * width;
  const ticks = (/** @type {number} */ px) => (Math.min(width, Math.max(0, px)) / width) * model.extent;

  /** The spans in the colours of the theme; made anew only with these. */
  function makePicture() {
    const { map, mapLines } = model.derived;
    picture = document.createElement("canvas");
    picture.width = MAP_WIDTH;
    picture.height = Math.max(1, mapLines);
    const context = /** @type {CanvasRenderingContext2D} */ (picture.getContext("2d"));
    const image = context.createImageData(MAP_WIDTH, Math.max(1, mapLines));
    const paints = model.header.services.map((_, service) => rgb(shared.barColour(service)));
    for (let i = 0; i < map.length; i++) {
      if (!map[i] || model.isHidden(map[i] - 1)) continue;
      const [r, g, b] = paints[map[i] - 1] ?? [128, 128, 128];
      image.data.set([r, g, b, 255], i * 4);
    }
    context.putImageData(image, 0, 0);
  }

  function render() {
    width = canvas.clientWidth;
    height = canvas.clientHeight;
    if (!width || !height) return;
    const colours = shared.colours();
    const context = contextOf(canvas, width, height);
    if (!picture) makePicture();
    const spans = height - PATH_PX - ERRORS_PX - 3;
    const lines = Math.max(1, model.derived.mapLines);
    const each = Math.min(6, spans / lines);
    context.imageSmoothingEnabled = each < 1;
    // Few lines keep a free pixel between them.
    if (each >= 3) {
      for (let line = 0; line < lines; line++) {
        context.drawImage(/** @type {HTMLCanvasElement} */ (picture), 0, line, MAP_WIDTH, 1, 0, ERRORS_PX + line * each, width, each - 1);
      }
    } else context.drawImage(/** @type {HTMLCanvasElement} */ (picture), 0, ERRORS_PX, width, each * lines);
    strip(context, colours);
    shade(context, colours);
  }

  /** The path, and errors. @param {CanvasRenderingContext2D} context @param {import("./shared.js").Colours} colours */
  function strip(context, colours) {
    const { seg_row, seg_start, seg_end, start } = model.columns;
    let [drawnTo, last] = [-1, -1];
    for (let i = 0; i < seg_row.length; i++) {
      const [a, b] = [x(seg_start[i]), x(seg_end[i])];
      // Neighbours within a pixel are one.
      if (b <= drawnTo && seg_row[i] !== last && b - a < 0.5) continue;
      context.fillStyle = shared.barColour(model.serviceOf(seg_row[i]));
      context.fillRect(a, height - PATH_PX, Math.max(0.5, b - a), PATH_PX);
      [drawnTo, last] = [Math.max(drawnTo, Math.ceil(a)), seg_row[i]];
    }
    context.fillStyle = colours.error;
    let before = -10;
    for (const row of model.derived.errorRows) {
      const at = x(start[row]);
      if (Math.abs(at - before) < 1) continue;
      context.fillRect(at - 1, 0, 2, ERRORS_PX);
      before = at;
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {import("./shared.js").Colours} colours */
  function shade(context, colours) {
    let [from, to] = [x(model.from), x(model.to)];
    if (dragged?.kind === "range") [from, to] = [x(Math.min(dragged.from, dragged.to)), x(Math.max(dragged.from, dragged.to))];
    if (model.isWhole && !dragged) return;
    context.globalAlpha = 0.7;
    context.fillStyle = colours.sunken;
    context.fillRect(0, 0, from, height);
    context.fillRect(to, 0, width - to, height);
    context.globalAlpha = 1;
    context.fillStyle = colours.link;
    context.fillRect(from - 1, 0, 2, height);
    context.fillRect(to - 1, 0, 2, height);
    context.fillRect(from - 2.5, height / 2 - 7, 5, 14);
    context.fillRect(to - 2.5, height / 2 - 7, 5, 14);
  }

  const draw = oncePerFrame(render);
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    const at = ticks(event.offsetX);
    const near = (/** @type {number} */ edge) => !model.isWhole && Math.abs(x(edge) - event.offsetX) <= HANDLE_PX;
    const kind = near(model.from) ? "from" : near(model.to) ? "to" : event.shiftKey && !model.isWhole ? "move" : "range";
    dragged = kind === "range" ? { kind, at, from: at, to: at } : { kind, at, from: model.from, to: model.to };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!dragged) {
      const isEdge = !model.isWhole && [model.from, model.to].some((edge) => Math.abs(x(edge) - event.offsetX) <= HANDLE_PX);
      canvas.style.cursor = isEdge ? "ew-resize" : "crosshair";
      return;
    }
    const at = ticks(event.offsetX);
    if (dragged.kind === "range") dragged.to = at;
    else if (dragged.kind === "from") model.setWindow(Math.min(at, dragged.to), dragged.to);
    else if (dragged.kind === "to") model.setWindow(dragged.from, Math.max(at, dragged.from));
    else model.pan(dragged.from + at - dragged.at - model.from);
    draw();
  });
  const drop = () => {
    const done = dragged;
    dragged = null;
    if (done?.kind === "range") {
      const [from, to] = [Math.min(done.from, done.to), Math.max(done.from, done.to)];
      if (x(to) - x(from) > 4) shared.setWindow(from, to);
      else if (!model.isWhole) shared.setWindow(done.at - (model.to - model.from) / 2, done.at + (model.to - model.from) / 2);
    }
    draw();
  };
  canvas.addEventListener("pointerup", drop);
  canvas.addEventListener("pointercancel", () => {
    dragged = null;
    draw();
  });
  canvas.addEventListener("dblclick", () => shared.setWindow(0, model.extent));
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    model.zoom(Math.exp(event.deltaY * 0.002), ticks(event.offsetX));
  }, { passive: false });
  model.addEventListener("window", draw);
  const again = () => {
    picture = null;
    draw();
  };
  model.addEventListener("look", again);
  document.addEventListener("themechange", again);
  new ResizeObserver(draw).observe(canvas);
}

/** `#rrggbb` as numbers; grey for any other. @param {string} colour @returns {[number, number, number]} */
export function rgb(colour) {
  const hex = /^#([0-9a-f]{6})$/i.exec(colour)?.[1];
  if (!hex) return [128, 128, 128];
  const value = parseInt(hex, 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
