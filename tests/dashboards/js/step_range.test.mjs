// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { rangeAddress, stepAt } from "../../../dashboards/longpole/dashboards/static/js/step_range.js";

test("a place outside of the chart belongs to the step at its edge", () => {
  assert.equal(stepAt(-0.2, 60), 0);
  assert.equal(stepAt(0.5, 60), 30);
  assert.equal(stepAt(1, 60), 59);
});

test("a drag in either direction holds both of its ends and keeps other parameters", () => {
  const start = 1767322800000000000n;
  const minute = 60000000000n;
  const right = rangeAddress("?since=1h&sort=rate", start, minute, 2, 4);
  assert.equal(right, rangeAddress("?since=1h&sort=rate", start, minute, 4, 2));
  const parameters = new URLSearchParams(right);
  assert.deepEqual([...parameters.keys()], ["sort", "from", "to"]);
  assert.equal(parameters.get("from"), "2026-01-02T03:02:00Z");
  assert.equal(parameters.get("to"), "2026-01-02T03:05:00Z");
});
