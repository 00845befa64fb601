// What waits behind the pill of the live tail, and how the rate is worked out.

import assert from "node:assert/strict";
import { test } from "node:test";

const { MOST_WAITING, queued, rate } = await import(
  "../../../dashboards/longpole/dashboards/static/js/live/waiting.js");

const row = (trace_id, spans = 1) => ({ trace_id, spans });

test("rows that come later stand in front, a later state in the place of the earlier", () => {
  const { rows, lost } = queued([row("b"), row("a")], [row("c"), row("a", 5)]);
  assert.deepEqual(rows, [row("c"), row("b"), row("a", 5)]);
  assert.equal(lost, 0);
});

test("no more wait than can be shown, and those that gave way are counted", () => {
  const many = Array.from({ length: MOST_WAITING + 3 }, (_, at) => row(String(at)));
  const { rows, lost } = queued([row("old")], many);
  assert.equal(rows.length, MOST_WAITING);
  assert.equal(lost, 4);
  assert.equal(rows[0].trace_id, "0");
});

test("the rate is that of the last seconds", () => {
  const looks = [{ at: 0, count: 100 }, { at: 5000, count: 10 }, { at: 9000, count: 10 }];
  assert.equal(rate(looks, 10500, 10000), 2);
  assert.equal(rate([], 0, 10000), 0);
});
