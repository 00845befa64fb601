// @ts-check
// Find in the trace: names, services, kinds, durations and errors here; attributes on the server.

/** @typedef {import("./model.js").TraceModel} TraceModel */
import { FLAG, KIND_MASK } from "./columns.js";

const UNIT_NS = /** @type {Record<string, number>} */ ({ ns: 1, us: 1e3, "µs": 1e3, ms: 1e6, s: 1e9, m: 60e9, min: 60e9, h: 3600e9 });
const DURATION = /^(>=|<=|>|<)(\d+(?:\.\d+)?)(ns|us|µs|ms|s|min|m|h)$/;
const FIELD = /^(name|service|kind|is|status):(.+)$/;

/** Words; quotes keep blanks. @param {string} query @returns {string[]} */
export function words(query) {
  return [...query.matchAll(/"([^"]*)"|(\S+)/g)].map((found) => found[1] ?? found[2]).filter(Boolean);
}

/** Whether only the server knows: `attr:key=value`, `key=value`. @param {string} query */
export function asksAttributes(query) {
  return words(query).some((word) => !DURATION.test(word) && !FIELD.test(word) && (word.startsWith("attr:") || /^[\w.-]+\s*=/.test(word)));
}

/**
 * Spans that fit all words, 1 for each. A word is a part of a name, service or kind, or one of `>100ms`, `<5ms`,
 * `name:`, `service:`, `kind:`, `status:error`, `is:error`, `is:critical`, `is:exception`.
 * @param {TraceModel} model @param {string} query @returns {Uint8Array}
 */
export function findHere(model, query) {
  const { op, dur, flags, critical } = model.columns;
  const { operations, services, kinds } = model.header;
  const found = new Uint8Array(model.count).fill(1);
  for (const word of words(query.toLowerCase())) {
    const length = DURATION.exec(word);
    const field = FIELD.exec(word);
    /** @type {(row: number) => boolean} */
    let fits;
    if (length) fits = lengthTest(dur, length[1], (Number(length[2]) * UNIT_NS[length[3]]) / model.tickNs);
    else if (field?.[1] === "is" || field?.[1] === "status") {
      const flag = { error: FLAG.ERROR, exception: FLAG.EXCEPTION, async: FLAG.ASYNC }[field[2]];
      fits = field[2] === "critical" ? (row) => critical[row] > 0 : (row) => (flags[row] & (flag ?? 0)) !== 0;
    } else {
      const [where, part] = field ? [field[1], field[2]] : ["any", word];
      // Each name is read once, not each span.
      const byOp = Uint8Array.from(operations, ({ name, service }) =>
        ((where === "any" || where === "name") && name.toLowerCase().includes(part))
        || ((where === "any" || where === "service") && services[service].name.toLowerCase().includes(part)) ? 1 : 0);
      const byKind = kinds.map((kind) => (where === "kind" || where === "any") && kind.toLowerCase() === part);
      fits = (row) => byOp[op[row]] === 1 || byKind[flags[row] & KIND_MASK] === true;
    }
    for (let row = 0; row < found.length; row++) if (found[row] && !fits(row)) found[row] = 0;
  }
  return found;
}

/** @param {Uint32Array} dur @param {string} sign @param {number} ticks @returns {(row: number) => boolean} */
function lengthTest(dur, sign, ticks) {
  if (sign === ">") return (row) => dur[row] > ticks;
  if (sign === "<") return (row) => dur[row] < ticks;
  if (sign === ">=") return (row) => dur[row] >= ticks;
  return (row) => dur[row] <= ticks;
}

/** One byte for each span, from the server's bits. @param {ArrayBuffer} bits @param {number} count */
export function fromBits(bits, count) {
  const bytes = new Uint8Array(bits);
  if (bytes.length < Math.ceil(count / 8)) throw new Error("the server found something in another state of the trace");
  const found = new Uint8Array(count);
  for (let row = 0; row < count; row++) found[row] = (bytes[row >> 3] >> (row & 7)) & 1;
  return found;
}

/**
 * Keeps the model's matches in step with a text: asks the server only where it must, the last question wins.
 * @param {TraceModel} model @param {(query: string) => string} addressOf @param {(text: string) => void} say
 */
export function finder(model, addressOf, say) {
  const WAIT_MS = 200;
  /** @type {AbortController | null} */
  let asked = null;
  let timer = 0;
  return (/** @type {string} */ query) => {
    asked?.abort();
    clearTimeout(timer);
    const text = query.trim();
    if (!text) {
      model.setMatches("", null);
      return;
    }
    const isServers = asksAttributes(text);
    if (!isServers) {
      const matches = findHere(model, text);
      model.setMatches(text, matches);
      // What no name has may be the value of an attribute.
      if (model.matchRows.length) return;
    }
    const mine = (asked = new AbortController());
    timer = setTimeout(async () => {
      try {
        const response = await fetch(addressOf(text), { signal: mine.signal });
        if (!response.ok) throw new Error(`the server answered ${response.status}`);
        const matches = fromBits(await response.arrayBuffer(), model.count);
        if (!mine.signal.aborted) model.setMatches(text, matches);
      } catch (error) {
        if (!mine.signal.aborted) say(`Attributes were not looked at: ${error instanceof Error ? error.message : error}`);
      }
    }, WAIT_MS);
  };
}
