// What the search page works out without a page: insertions, scales, marks.

import assert from "node:assert/strict";
import { test } from "node:test";

const here = "../../../dashboards/longpole/dashboards/static/js/search/";
const { inserted, stepped } = await import(`${here}insertion.js`);
const { decades, decadeText, nearest, toPixel, toValue } = await import(`${here}scales.js`);

const completion = (expects, begin, end, ...texts) => ({
  expects, begin, end,
  options: texts.map((text) => ({ text, label: text, detail: "", count: null })),
});

test("an option takes the place of what is written of it", () => {
  const text = "{ resource.service.na && duration > 1s }";
  assert.deepEqual(inserted(text, completion("field", 2, 21, "resource.service.name"), 0), {
    text: "{ resource.service.name && duration > 1s }", cursor: 24,
  });
});

test("a value may follow its comparison without a blank, a comparison may not its field", () => {
  assert.equal(inserted("{ name=", completion("value", 7, 7, '"a"'), 0).text, '{ name="a" ');
  assert.equal(inserted("{ name", completion("comparison", 6, 6, "="), 0).text, "{ name = ");
});

test("arrows go round through no option at all", () => {
  assert.deepEqual([-1, 0, 1].map((at) => stepped(2, at, 1)), [0, 1, -1]);
  assert.deepEqual([-1, 0, 1].map((at) => stepped(2, at, -1)), [1, -1, 0]);
  assert.equal(stepped(0, -1, 1), -1);
});

test("a pixel on a logarithmic scale leads back to its value", () => {
  const scale = { low: 1e6, high: 1e9, from: 100, to: 10, isLog: true };
  assert.equal(toPixel(scale, 1e6), 100);
  assert.equal(toPixel(scale, 1e9), 10);
  for (const value of [1e6, 3.7e7, 9.9e8]) {
    assert.ok(Math.abs(toValue(scale, toPixel(scale, value)) / value - 1) < 1e-9);
  }
  assert.ok(Number.isFinite(toPixel({ ...scale, low: 1 }, 0)));
});

test("decades enclose every duration, odd ones too", () => {
  assert.deepEqual(decades([2e6, 9e8]), [1e6, 1e9]);
  assert.deepEqual(decades([1e6, 1e6]), [1e6, 1e7]);
  assert.deepEqual(decades([0, -5]), [1, 10]);
  assert.deepEqual(decades([]), [1, 10]);
  assert.deepEqual([1, 1e4, 1e8, 1e10].map(decadeText), ["1 ns", "10 µs", "100 ms", "10 s"]);
});

test("one trace that took no time, or next to none, does not stretch the picture", () => {
  const usual = Array.from({ length: 300 }, (_, at) => 2e7 + at * 1e6);
  assert.deepEqual(decades([...usual, 0]), [1e7, 1e9]);
  assert.deepEqual(decades([...usual, 3]), [1e7, 1e9]);
  assert.deepEqual(decades([...usual, 2e5]), [1e5, 1e9], "near enough to be shown in its place");
  assert.deepEqual(decades([5, 2e7]), [1, 1e8], "of two neither is the odd one");
  const y = { low: 1e7, high: 1e9, from: 100, to: 10, isLog: true };
  assert.equal(toPixel(y, 0), 100);
  assert.equal(toPixel(y, 3), 100);
});

test("the nearest point is found within reach", () => {
  assert.equal(nearest([0, 10, 20], [0, 10, 20], 12, 9, 5), 1);
  assert.equal(nearest([0, 10, 20], [0, 10, 20], 100, 100, 5), -1);
});
