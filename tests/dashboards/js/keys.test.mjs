// The keyboard table, against the least document that it needs.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

/** @type {(event: object) => void} */
let press = () => {};
class Element {
  constructor(tagName) { this.tagName = tagName; this.isContentEditable = false; }
}
globalThis.HTMLElement = Element;
globalThis.document = {
  body: { dataset: {} },
  querySelector: () => null,
  addEventListener: (_type, listener) => { press = listener; },
};
const { allBindings, bind } = await import(
  "../../../dashboards/longpole/dashboards/static/js/keys.js");

let ran = [];
const does = (name) => ({ key: name, does: name, run: () => ran.push(name) });
let now = 0;
const key = (name, more = {}) => {
  let prevented = false;
  press({ key: name, timeStamp: (now += 10), target: new Element("BODY"),
    preventDefault: () => { prevented = true; }, ...more });
  return prevented;
};
bind("A", [does("x"), does("g x"), does("Ctrl+k"), does("Shift+ArrowLeft")]);
beforeEach(() => { ran = []; document.body.dataset = {}; now += 10_000; });

test("a bound key runs and is taken from the browser, another is not", () => {
  assert.equal(key("x"), true);
  assert.equal(key("q"), false);
  assert.deepEqual(ran, ["x"]);
});

test("g and a second key are one key, unless the second comes late", () => {
  key("g"); key("x");
  key("g"); now += 5_000; key("x");
  assert.deepEqual(ran, ["g x", "x"]);
});

test("letters belong to the field that is typed in, Ctrl does not", () => {
  key("x", { target: new Element("INPUT") });
  key("k", { target: new Element("INPUT"), ctrlKey: true });
  assert.deepEqual(ran, ["Ctrl+k"]);
});

test("letters can be switched off", () => {
  document.body.dataset.keys = "off";
  key("x");
  assert.deepEqual(ran, []);
});

test("shift is a part of the name only where it is not in the character", () => {
  key("ArrowLeft", { shiftKey: true });
  assert.deepEqual(ran, ["Shift+ArrowLeft"]);
});

test("a later binding replaces an earlier one of the same key", () => {
  bind("B", [{ ...does("x"), run: () => ran.push("new x") }]);
  key("x");
  assert.deepEqual(ran, ["new x"]);
  assert.equal(allBindings().filter((b) => b.key === "x").length, 1);
});
