// @ts-check
// Decodes and derives beside the page, so that a large trace never holds it up.

import { decode } from "./columns.js";
import { buffersOf, derive } from "./derive.js";

self.onmessage = (/** @type {MessageEvent<ArrayBuffer>} */ { data }) => {
  try {
    const began = performance.now();
    const columns = decode(data);
    const decoded = performance.now();
    const derived = derive(columns);
    const times = { decode: decoded - began, derive: performance.now() - decoded };
    self.postMessage({ columns, derived, times }, { transfer: [data, ...buffersOf(derived)] });
  } catch (error) {
    self.postMessage({ failure: error instanceof Error ? error.message : String(error) });
  }
};
