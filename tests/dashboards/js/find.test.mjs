import assert from "node:assert/strict";
import { test } from "node:test";

import { decode } from "../../../dashboards/longpole/dashboards/static/js/trace/columns.js";
import { derive } from "../../../dashboards/longpole/dashboards/static/js/trace/derive.js";
import { asksAttributes, findHere, finder, fromBits, words } from "../../../dashboards/longpole/dashboards/static/js/trace/find.js";
import { TraceModel } from "../../../dashboards/longpole/dashboards/static/js/trace/model.js";
import { encode, madeTrace } from "./made_columns.mjs";

const trace = madeTrace(4, 300, { errors: 0.1 });
const columns = decode(encode(trace));
const model = new TraceModel(columns, derive(columns));
const rows = (query) => [...findHere(model, query)].flatMap((hit, row) => (hit ? [row] : []));
const where = (fits) => trace.spans.flatMap((span, row) => (fits(span) ? [row] : []));

for (const [query, fits] of [
  ["op-3", (s) => s.op === 3],
  ["OP-3", (s) => s.op === 3],
  ["service:svc-1", (s) => s.op % 4 === 1],
  ["svc-1 op-5", (s) => s.op === 5],
  ["name:svc", () => false],
  [">10us", (s) => s.end - s.start > 10_000],
  ["<=0.5ms op-2", (s) => s.op === 2 && s.end - s.start <= 500_000],
  ["is:error", (s) => s.isError],
  ["is:nonsense", () => false],
  ["kind:unspecified", () => true],
  ["kind:server", () => false],
]) {
  test(`${query} finds what it says`, () => assert.deepEqual(rows(query), where(fits)));
}

test("quotes keep blanks together", () => assert.deepEqual(words('a "b c" d'), ["a", "b c", "d"]));

test("only attributes are a question for the server", () => {
  assert.ok(asksAttributes("http.method=GET"));
  assert.ok(asksAttributes("attr:user.id=4"));
  for (const query of [">=10ms", "<=4s", "GET /x?a=b", "service:a=b", "is:error"]) assert.ok(!asksAttributes(query), query);
});

test("bits of the server become spans, and too few bits are refused", () => {
  assert.deepEqual([...fromBits(new Uint8Array([0b00000101, 0b1]).buffer, 9)], [1, 0, 1, 0, 0, 0, 0, 0, 1]);
  assert.throws(() => fromBits(new Uint8Array([1]).buffer, 9));
});

test("the last question wins, and an earlier one is called off", async () => {
  const asked = [];
  globalThis.fetch = (address, { signal }) => new Promise((resolve, reject) => {
    asked.push({ address, signal });
    signal.addEventListener("abort", () => reject(signal.reason));
    if (address === "second") resolve({ ok: true, arrayBuffer: async () => new Uint8Array(38).fill(255).buffer });
  });
  const find = finder(model, (query) => query.slice(2), assert.fail);
  find("a=first");
  await new Promise((done) => setTimeout(done, 250));
  const found = new Promise((done) => model.addEventListener("find", done, { once: true }));
  find("a=second");
  await found;
  assert.deepEqual(asked.map(({ address, signal }) => [address, signal.aborted]), [["first", true], ["second", false]]);
  assert.equal(model.matchRows.length, 300);
  find("");
  assert.equal(model.matches, null);
});
