// @ts-check
// The ruler above the bars: times of the grid; dragging along it chooses a range.

import { duration, rulerStep } from "./duration.js";
import { contextOf } from "./shared.js";

/**
 * @param {HTMLCanvasElement} canvas @param {import("./model.js").TraceModel} model @param {import("./shared.js").Shared} shared
 * @param {() => import("./geometry.js").Scale} scaleNow of the canvas itself, from its left edge
 */
export function ruler(canvas, model, shared, scaleNow) {
  /** @type {[number, number] | null} */
  let dragged = null;

  /** @param {number} [pointer] x */
  function draw(pointer = -1) {
    const scale = scaleNow();
    const height = canvas.clientHeight;
    const context = contextOf(canvas, scale.width, height);
    const colours = shared.colours();
    context.font = `11px ${colours.sans}`;
    context.textBaseline = "middle";
    const stepNs = rulerStep(model.ns(model.to - model.from), scale.width / 110);
    const step = stepNs / model.tickNs;
    for (let tick = Math.ceil(model.from / step) * step; tick <= model.to; tick += step) {
      const x = Math.round(scale.x(tick));
      context.fillStyle = colours.line;
      context.fillRect(x, height - 6, 1, 6);
      const text = tick === 0 ? "0" : duration(model.ns(tick));
      context.fillStyle = colours.muted;
      const fits = x + 4 + context.measureText(text).width < scale.width;
      if (fits) context.fillText(text, x + 4, height / 2);
    }
    if (dragged) {
      context.fillStyle = colours.select;
      const [a, b] = dragged;
      context.fillRect(Math.min(a, b), 0, Math.abs(b - a), height);
      write(context, colours, scale, `${duration(model.ns(Math.abs(scale.ticks(b) - scale.ticks(a))))}`, (a + b) / 2, height);
    } else if (pointer >= 0) {
      write(context, colours, scale, duration(Math.max(0, model.ns(scale.ticks(pointer)))), pointer, height);
    }
  }

  /** A time on top of the others. @param {CanvasRenderingContext2D} context @param {import("./shared.js").Colours} colours @param {{width: number}} scale @param {string} text @param {number} x @param {number} height */
  function write(context, colours, scale, text, x, height) {
    const width = context.measureText(text).width + 10;
    const left = Math.min(scale.width - width, Math.max(0, x - width / 2));
    context.fillStyle = colours.text;
    context.beginPath();
    context.roundRect(left, 3, width, height - 6, 3);
    context.fill();
    context.fillStyle = colours.ground;
    context.fillText(text, left + 5, height / 2);
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    dragged = [event.offsetX, event.offsetX];
  });
  canvas.addEventListener("pointermove", (event) => {
    if (dragged) dragged[1] = Math.min(canvas.clientWidth, Math.max(0, event.offsetX));
    draw(event.offsetX);
  });
  canvas.addEventListener("pointerleave", () => draw());
  canvas.addEventListener("pointerup", () => {
    const range = dragged;
    dragged = null;
    if (!range) return;
    const scale = scaleNow();
    if (Math.abs(range[1] - range[0]) > 4) shared.setWindow(scale.ticks(Math.min(...range)), scale.ticks(Math.max(...range)));
    else draw();
  });
  canvas.addEventListener("pointercancel", () => {
    dragged = null;
    draw();
  });
  canvas.addEventListener("dblclick", () => shared.setWindow(0, model.extent));
  return { draw };
}
