// Times in the reader's zone.

import assert from "node:assert/strict";
import { test } from "node:test";

import { localClock, localText, zoneName } from
  "../../../dashboards/longpole/dashboards/static/js/when.js";

test("a local time is as long as the text of the server", () => {
  const at = new Date(2026, 0, 2, 3, 4, 5, 6);
  assert.equal(localText(at, "2026-01-02 01:04:05.006"), "2026-01-02 03:04:05.006");
  assert.equal(localText(at, "2026-01-02 01:04"), "2026-01-02 03:04");
});

test("a zone is told by its distance from UTC", () => {
  assert.equal(zoneName(0), "UTC");
  assert.equal(zoneName(-120), "UTC+2");
  assert.equal(zoneName(210), "UTC-3:30");
});

test("the time of the day alone stays alone", () => {
  const at = new Date(2026, 0, 2, 3, 4, 5, 6);
  assert.equal(localClock(at, "01:04:05.006"), "03:04:05.006");
  assert.equal(localClock(at, "01:04:05"), "03:04:05");
});
