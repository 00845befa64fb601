import assert from "node:assert/strict";
import { test } from "node:test";

import { ColumnsError, decode } from "../../../dashboards/longpole/dashboards/static/js/trace/columns.js";
import { derive } from "../../../dashboards/longpole/dashboards/static/js/trace/derive.js";
import { encode, groupSiblings, madeTrace, seeded } from "./made_columns.mjs";

test("what was encoded is decoded", () => {
  const trace = madeTrace(1, 200);
  trace.marks.push({ row: 3, time: 10, kind: 2, severity: 17 });
  const columns = decode(encode(trace));
  assert.deepEqual([...columns.start], trace.spans.map((s) => s.start));
  assert.deepEqual([...columns.parent], trace.spans.map((s) => s.parent));
  assert.deepEqual([...columns.mark_severity], [17]);
  assert.equal(columns.header.operations[3].name, "op-3");
});

test("a trace without spans, markers and links is decoded", () => {
  assert.equal(decode(encode(madeTrace(1, 0))).header.selected, -1);
});

test("bytes cut off anywhere are refused with a sentence", () => {
  const whole = encode(madeTrace(2, 50));
  for (let length = 0; length < whole.byteLength - 8; length += 7) {
    assert.throws(() => decode(whole.slice(0, length)), ColumnsError, `${length} bytes`);
  }
});

test("spoiled bytes are refused or still a tree, and never anything else", () => {
  const whole = encode(madeTrace(3, 60));
  const random = seeded(9);
  for (let round = 0; round < 500; round++) {
    const bytes = new Uint8Array(whole.slice(0));
    for (let i = 0; i < 3; i++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    let columns;
    try {
      columns = decode(bytes.buffer);
    } catch (error) {
      assert.ok(error instanceof ColumnsError, String(error?.stack));
      continue;
    }
    for (let row = 0; row < columns.header.span_count; row += columns.subtree[row]) assert.ok(columns.subtree[row] >= 1);
    derive(columns);
  }
});

for (const [what, change] of [
  ["another version", (h) => ({ ...h, version: 2 })],
  ["an array of another type", (h) => ({ ...h, arrays: h.arrays.map((a) => (a.name === "start" ? { ...a, type: "u8" } : a)) })],
  ["an array that is too short", (h) => ({ ...h, arrays: h.arrays.map((a) => (a.name === "dur" ? { ...a, length: 3 } : a)) })],
  ["an array beyond the end", (h) => ({ ...h, arrays: h.arrays.map((a) => (a.name === "op" ? { ...a, offset: 1 << 30 } : a)) })],
  ["a missing array", (h) => ({ ...h, arrays: h.arrays.filter((a) => a.name !== "flags") })],
  ["no services", (h) => ({ ...h, services: undefined })],
  ["an operation of no service", (h) => ({ ...h, operations: h.operations.map((o) => ({ ...o, service: 99 })) })],
  ["fewer operations than used", (h) => ({ ...h, operations: h.operations.slice(0, 2) })],
  ["a negative number of spans", (h) => ({ ...h, span_count: -1 })],
]) {
  test(`${what} is refused`, () => assert.throws(() => decode(encode(madeTrace(4, 40), change)), ColumnsError));
}

test("rows of the header that do not exist are left out", () => {
  const { header } = decode(encode({ ...madeTrace(5, 10), open: [3, 99, -1, "2"], selected: 77,
    gaps: [{ parent: 400, start: 1, end: 2, ns: 1 }], bottlenecks: [{ row: 2, share: 0.5, ns: 1, reason: "self" }, { row: 10 }] }));
  assert.deepEqual([header.open, header.selected, header.gaps, header.bottlenecks.length], [[3], 0, [], 1]);
});

test("errors below a row are a difference of two counts", () => {
  const trace = madeTrace(6, 400, { errors: 0.2 });
  const { errorsBefore, errorRows } = derive(decode(encode(trace)));
  trace.spans.forEach((span, row) => {
    const naive = trace.spans.slice(row, row + span.subtree).filter((s) => s.isError).length;
    assert.equal(errorsBefore[row + span.subtree] - errorsBefore[row], naive);
  });
  assert.deepEqual([...errorRows], trace.spans.flatMap((s, row) => (s.isError ? [row] : [])));
});

test("each group has its rows, and one that is not what it says is not used", () => {
  const trace = groupSiblings(madeTrace(7, 500, { operations: 4 }));
  const honest = derive(decode(encode(trace)));
  trace.groups.forEach((group, g) => {
    const members = [...honest.members.subarray(honest.memberAt[g], honest.memberAt[g + 1])];
    assert.deepEqual(members, trace.spans.flatMap((s, row) => (s.group === g ? [row] : [])));
    assert.equal(honest.isGroup[g], 1);
  });
  const liar = { ...trace, groups: trace.groups.map((g) => ({ ...g, kind: "chain" })) };
  assert.ok(!derive(decode(encode(liar))).isGroup.includes(1));
});
