// What the palette offers for what was typed.

import assert from "node:assert/strict";
import { test } from "node:test";

import { MOST_SHOWN, fit, matching, serviceEntries } from
  "../../../dashboards/longpole/dashboards/static/js/palette_entries.js";

const PLACES = ["Overview", "Services", "Traces", "Status", "Settings"].map((label) => (
  { kind: "place", label, address: `/${label.toLowerCase()}` }));

test("without a text everything is offered in its order", () => {
  assert.deepEqual(matching(PLACES, "  ").map((e) => e.label), PLACES.map((e) => e.label));
});

test("beginnings come before middles, and letters in order last", () => {
  const entries = ["message-broker", "user-service", "service-user"].map((label) => (
    { kind: "service", label }));
  assert.deepEqual(matching(entries, "ser").map((e) => e.label),
    ["service-user", "user-service", "ser"]);
  assert.ok(fit("user-service", "usr") > 0);
  assert.ok(fit("Overview", "zz") < 0);
});

test("a pasted trace id, or an address with one, opens that trace", () => {
  const id = "5B8EFFF798038103D269B633813FC60C";
  assert.equal(matching(PLACES, id)[0].address, `/traces/${id.toLowerCase()}`);
  assert.equal(matching([], `http://h:1/traces/${id}?span=1`)[0].address, `/traces/${id.toLowerCase()}`);
  assert.equal(matching([], "5b8e")[0].kind, "search");
});

test("any other text can be searched for, and is escaped", () => {
  const last = matching(PLACES, "a&b=c").at(-1);
  assert.equal(last.address, "/traces?q=a%26b%3Dc");
});

test("services and operations lead to their pages, whatever they are called", () => {
  const entries = serviceEntries({ services: [{ name: "a/b?", operations: ["GET /x", ""] }] });
  assert.deepEqual(entries.map((e) => e.address),
    ["/services/a%2Fb%3F", "/services/a%2Fb%3F/op?name=GET%20%2Fx", "/services/a%2Fb%3F/op?name="]);
  assert.equal(entries[2].label, "(no name)");
});

test("never more is shown than a reader takes in", () => {
  const many = Array.from({ length: 500 }, (_, n) => ({ kind: "service", label: `s${n}` }));
  assert.equal(matching(many, "s").length, MOST_SHOWN + 1);
});
