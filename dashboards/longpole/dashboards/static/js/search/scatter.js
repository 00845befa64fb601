// @ts-check
// The picture of a search: every trace a dot, failed ones a cross. A click opens a trace, a drag
// narrows time and duration. The table below says the same in words.

import { localClock } from "../when.js";
import { decadeText, decades, nearest, toPixel, toValue } from "./scales.js";

const LEFT = 52;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 20;
const REACH = 14;
const LEAST_DRAG = 6;

/**
 * @typedef {object} Points
 * @property {number} begin_unix_nano
 * @property {string[]} trace_ids
 * @property {number[]} starts_us
 * @property {number[]} durations_ns
 * @property {number[]} errors
 * @property {number[]} roots
 * @property {{service: string, operation: string}[]} root_names
 */

/** In the zone of the table below. @param {Date} at */
function clockText(at) {
  const sent = at.toISOString().slice(11, 19);
  return document.body.dataset.zone === "local" ? localClock(at, sent) : sent;
}

/** @param {HTMLElement} figure */
export async function scatter(figure) {
  const response = await fetch(figure.dataset.source ?? "");
  if (!response.ok) return figure.remove();
  const points = /** @type {Points} */ ((await response.json()).scatter);
  if (points.trace_ids.length < 2) return figure.remove();
  draw(figure, points);
}

/** @param {HTMLElement} figure @param {Points} points */
function draw(figure, points) {
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label",
    `Duration over time of ${points.trace_ids.length} traces; the table below lists them`);
  const caption = document.createElement("figcaption");
  caption.textContent = "duration (log) over time · × failed · click opens a trace · drag narrows";
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  figure.replaceChildren(canvas, tip, caption);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const beginMs = points.begin_unix_nano / 1e6;
  const lastUs = points.starts_us.reduce((most, value) => Math.max(most, value), 1);
  const [low, high] = decades(points.durations_ns);
  const isAnyBelow = points.durations_ns.some((value) => value < low);
  let x = { low: 0, high: lastUs, from: LEFT, to: 100, isLog: false };
  let y = { low, high, from: 100, to: TOP, isLog: true };
  let xs = new Float64Array(0);
  let ys = new Float64Array(0);
  /** @type {[number, number, number, number] | null} */
  let dragged = null;

  function paint() {
    const { width, height } = canvas.getBoundingClientRect();
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    x = { ...x, to: width - RIGHT };
    y = { ...y, from: height - BOTTOM };
    xs = Float64Array.from(points.starts_us, (value) => toPixel(x, value));
    ys = Float64Array.from(points.durations_ns, (value) => toPixel(y, value));
    const style = getComputedStyle(document.documentElement);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = `11px ${colour("--sans")}`;
    context.fillStyle = colour("--muted");
    context.strokeStyle = colour("--line");
    context.lineWidth = 1;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (let tick = low; tick <= high * 1.01; tick *= 10) {
      const at = Math.round(toPixel(y, tick)) + 0.5;
      context.beginPath();
      context.moveTo(LEFT, at);
      context.lineTo(width - RIGHT, at);
      context.stroke();
      context.fillText((isAnyBelow && tick === low ? "≤ " : "") + decadeText(tick), LEFT - 6, at);
    }
    context.textBaseline = "alphabetic";
    const labels = Math.max(2, Math.min(7, Math.floor(width / 160)));
    for (let at = 0; at < labels; at += 1) {
      const us = (lastUs * at) / (labels - 1);
      const text = clockText(new Date(beginMs + us / 1000));
      context.textAlign = at === 0 ? "left" : at === labels - 1 ? "right" : "center";
      context.fillText(text, toPixel(x, us), height - 5);
    }
    context.fillStyle = colour("--link");
    context.globalAlpha = points.trace_ids.length > 800 ? 0.5 : 0.8;
    for (let at = 0; at < xs.length; at += 1) {
      if (points.errors[at]) continue;
      context.beginPath();
      context.arc(xs[at], ys[at], 2.4, 0, 2 * Math.PI);
      context.fill();
    }
    context.globalAlpha = 1;
    context.strokeStyle = colour("--error");
    context.lineWidth = 1.5;
    context.beginPath();
    for (let at = 0; at < xs.length; at += 1) {
      if (!points.errors[at]) continue;
      context.moveTo(xs[at] - 3, ys[at] - 3);
      context.lineTo(xs[at] + 3, ys[at] + 3);
      context.moveTo(xs[at] + 3, ys[at] - 3);
      context.lineTo(xs[at] - 3, ys[at] + 3);
    }
    context.stroke();
    if (dragged) {
      const [x0, y0, x1, y1] = dragged;
      context.strokeStyle = colour("--link");
      context.lineWidth = 1;
      context.strokeRect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0));
    }
  }

  /** @param {MouseEvent} event @returns {[number, number]} */
  function placeOf(event) {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /** @param {number} at */
  function open(at) {
    const query = new URLSearchParams(location.search);
    for (const name of ["group", "page", "result"]) query.delete(name);
    query.set("result", String(at + 1));
    location.assign(`/traces/${points.trace_ids[at]}?${query}`);
  }

  function narrow() {
    if (!dragged) return;
    const [x0, y0, x1, y1] = dragged;
    const query = new URLSearchParams(location.search);
    for (const name of ["since", "from", "to", "page", "before", "result",
      "min_duration", "max_duration"]) query.delete(name);
    const moment = (/** @type {number} */ pixel) =>
      String(Math.round(beginMs * 1000 + toValue(x, pixel)));
    query.set("from", moment(Math.min(x0, x1)));
    query.set("to", moment(Math.max(x0, x1)));
    if (Math.abs(y1 - y0) >= LEAST_DRAG) {
      // On the lower edge lies also what is shorter.
      if (Math.max(y0, y1) < y.from) {
        query.set("min_duration", `${Math.round(toValue(y, Math.max(y0, y1)))}ns`);
      }
      query.set("max_duration", `${Math.round(toValue(y, Math.min(y0, y1)))}ns`);
    }
    location.assign(`/traces?${query}`);
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const [px, py] = placeOf(event);
    dragged = [px, py, px, py];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const [px, py] = placeOf(event);
    if (dragged) {
      dragged = [dragged[0], dragged[1], px, py];
      tip.hidden = true;
      paint();
      return;
    }
    const at = nearest(xs, ys, px, py, REACH);
    tip.hidden = at < 0;
    canvas.classList.toggle("over", at >= 0);
    if (at < 0) return;
    const root = points.root_names[points.roots[at]];
    const ms = points.durations_ns[at] / 1e6;
    const errors = points.errors[at] ? ` · ✕ ${points.errors[at]}` : "";
    tip.textContent =
      `${ms >= 1000 ? `${(ms / 1000).toPrecision(3)} s` : `${ms.toPrecision(3)} ms`} · ${
        root.service.slice(0, 60)} · ${root.operation.slice(0, 80)}${errors}`;
    const isRight = xs[at] > x.to / 2;
    tip.setAttribute("data-side", isRight ? "left" : "right");
    const shift = isRight ? xs[at] - tip.offsetWidth - 10 : xs[at] + 10;
    tip.style.transform = `translate(${Math.max(0, shift)}px, ${Math.max(0, ys[at] - 30)}px)`;
  });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
  canvas.addEventListener("pointerup", (event) => {
    if (!dragged) return;
    const [px, py] = placeOf(event);
    const isClick = Math.hypot(px - dragged[0], py - dragged[1]) < LEAST_DRAG;
    if (isClick) {
      dragged = null;
      const at = nearest(xs, ys, px, py, REACH);
      if (at >= 0) open(at);
      return;
    }
    dragged = [dragged[0], dragged[1], px, py];
    narrow();
    dragged = null;
    paint();
  });
  document.addEventListener("themechange", paint);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  new ResizeObserver(paint).observe(canvas);
  paint();
}
