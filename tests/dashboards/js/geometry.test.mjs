import assert from "node:assert/strict";
import { test } from "node:test";

import { readState, writeState } from "../../../dashboards/longpole/dashboards/static/js/trace/address.js";
import { duration, percent, rulerStep } from "../../../dashboards/longpole/dashboards/static/js/trace/duration.js";
import { HIGHEST_PX, indentOffset, placeLabel, scaleOf, scrollTopOf, topOf } from "../../../dashboards/longpole/dashboards/static/js/trace/geometry.js";
import { inert } from "../../../dashboards/longpole/dashboards/static/js/trace/inert.js";

test("a million rows are reached by a scroll bar of bounded height, both ways", () => {
  const [total, view] = [1_000_000 * 24, 600];
  assert.equal(topOf(0, total, view), 0);
  assert.equal(topOf(HIGHEST_PX - view, total, view), total - view);
  for (const top of [0, 24, 12_345_678, total - view]) assert.ok(Math.abs(topOf(scrollTopOf(top, total, view), total, view) - top) < 1e-3);
});

test("a few rows are scrolled by the pixel", () => assert.equal(topOf(123, 2400, 600), 123));

test("a label is right of its bar, else left, else inside, and never outside of the area", () => {
  assert.equal(placeLabel(10, 50, 40, 0, 200)?.at, "right");
  assert.equal(placeLabel(150, 190, 40, 0, 200)?.at, "left");
  assert.equal(placeLabel(5, 195, 40, 0, 200)?.at, "inside");
  assert.equal(placeLabel(30, 60, 80, 0, 100), null);
  assert.equal(placeLabel(-50, -10, 20, 0, 100), null);
});

test("pixels and ticks are inverse", () => {
  const scale = scaleOf(100, 300, 50, 400);
  assert.equal(scale.x(200), 250);
  assert.equal(scale.ticks(scale.x(123)), 123);
});

test("deep rows keep room for their names", () => {
  assert.equal(indentOffset([0, 1, 2], 300), 0);
  const by = indentOffset([500, 501, 502], 300);
  assert.ok(by > 480 && by <= 500);
});

test("durations are written as the server writes them", () => {
  assert.deepEqual([17, 410_000, 29_600_000, 1_910_000_000, 65e9, 700e9, 0].map(duration),
    ["17 ns", "410 µs", "29.6 ms", "1.91 s", "65 s", "11.7 min", "0 ns"]);
  assert.deepEqual([0.0004, 0.012, 0.74].map(percent), ["<0.1 %", "1.2 %", "74 %"]);
});

test("a ruler has round steps and not more than asked for", () => {
  for (const ns of [7, 1234, 5e6, 1.9e9, 40e9, 36e12]) {
    const step = rulerStep(ns, 10);
    assert.ok(ns / step <= 10.001 && ns / step > 1.5, `${ns}: ${step}`);
  }
});

test("the state of the page survives its URL, and other parameters stay", () => {
  const state = { view: "flame", span: "00f067aa0ba902b7", time: [5, 900], find: "a b&c=d", only: true, critical: true, grouped: false, root: 7 };
  const search = writeState("?tau=0.1", state);
  assert.deepEqual(readState(search), state);
  assert.ok(search.includes("tau=0.1"));
});

test("nonsense in the URL is the default", () => {
  const state = readState("?view=__proto__&span=<script>&t=9-3&root=-1&g=x&cp=2");
  assert.deepEqual(state, { view: "waterfall", span: "", time: null, find: "", only: false, critical: false, grouped: true, root: -1 });
  assert.equal(writeState("", state), "");
});

test("text that would mislead is shown as what it is", () => {
  assert.equal(inert("a\u202eb\u0000c\nd"), "a\ufffdb\ufffdc d");
  assert.equal(inert(""), "(no name)");
  assert.equal(inert("x".repeat(5000)).length, 201);
  assert.equal(inert("naïve 🚀"), "naïve 🚀");
});
