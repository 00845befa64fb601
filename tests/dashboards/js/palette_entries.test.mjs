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

test("letters fit where they begin words or are close together, never scattered", () => {
  assert.ok(fit("user-service", "us") > fit("user-service", "usv"));
  assert.ok(fit("payment-service", "ps") > 0);
  assert.ok(fit("GET /cartItems", "gci") > 0);
  for (const label of ["previous trace", "notification-service", "Show the minimap"]) {
    assert.ok(fit(label, "stat") < 0, label);
  }
  assert.ok(fit("recommendation-service", "e") < 0);
});

test("what was typed word by word is found, and what has only its letters is left out", () => {
  const entries = ["GET /cart/items", "POST /cart", "GET /catalogue"].map((label) => (
    { kind: "operation", label }));
  const labels = (typed) => matching(entries, typed).slice(0, -1).map((e) => e.label);
  assert.deepEqual(labels("cart get"), ["GET /cart/items"]);
  assert.deepEqual(labels("ca"), ["GET /catalogue", "GET /cart/items", "POST /cart"]);
  assert.deepEqual(labels("cart"), ["GET /cart/items", "POST /cart"]);
  assert.deepEqual(labels("gctl"), ["GET /catalogue"]);
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
  assert.deepEqual(entries.map((e) => e.address), ["/services/~?service=a%2Fb%3F",
    "/services/~/op?service=a%2Fb%3F&name=GET+%2Fx", "/services/~/op?service=a%2Fb%3F&name="]);
  assert.equal(entries[2].label, "(no name)");
});

test("never more is shown than a reader takes in", () => {
  const many = Array.from({ length: 500 }, (_, n) => ({ kind: "service", label: `s${n}` }));
  assert.equal(matching(many, "s").length, MOST_SHOWN + 1);
});
