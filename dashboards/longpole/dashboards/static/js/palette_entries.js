// @ts-check
// What the command palette offers for a text: places, services, operations, actions of the page,
// and the trace whose id was pasted. Pure, so that it can be tested without a browser.

/**
 * @typedef {object} Entry
 * @property {string} kind what is shown beside it: place, service, operation, action, trace, search
 * @property {string} label
 * @property {string} [detail]
 * @property {string} [address] where it leads to
 * @property {() => void} [run] what it does, for an action
 */

export const MOST_SHOWN = 30;
const TRACE_ID = /^(?:[0-9a-f]{32}|[0-9a-f]{16})$/i;
const TRACE_ADDRESS = /\/traces\/([0-9a-f]{16,32})\b/i;

// A label beyond that is garbage, and is not searched to its end.
const LONGEST_LABEL = 200;
const BEGINNING = 1000, WORD = 800, MIDDLE = 600, LETTERS = 300;

/**
 * How well a label fits what was typed: higher is better, below 0 not at all. Its beginning counts
 * most, then the beginning of a word, then its middle, then letters in order: each of those begins
 * a word or leaves out at most two letters. Several words are found in any order.
 * @param {string} label
 * @param {string} typed
 */
export function fit(label, typed) {
  const text = label.slice(0, LONGEST_LABEL);
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return 0;
  const begins = beginnings(text);
  const lower = text.toLowerCase();
  const whole = fitOfWord(lower, begins, words.join(" "));
  if (words.length === 1 || whole >= 0) return whole < 0 ? whole : whole - text.length / 100;
  const each = words.map((word) => fitOfWord(lower, begins, word));
  const worst = Math.min(...each);
  return worst < MIDDLE - LONGEST_LABEL ? -1 : worst - 50 - text.length / 100;
}

/**
 * By letter, whether a word begins there: `GET /cartItems` has three.
 * @param {string} text
 */
function beginnings(text) {
  return Array.from({ length: text.length }, (_, at) => at === 0
    || (/[^\p{L}\p{N}]/u.test(text[at - 1]) && /[\p{L}\p{N}]/u.test(text[at]))
    || (/\p{Ll}/u.test(text[at - 1]) && /\p{Lu}/u.test(text[at])));
}

/**
 * @param {string} text
 * @param {boolean[]} begins
 * @param {string} wanted
 */
function fitOfWord(text, begins, wanted) {
  if (text.startsWith(wanted)) return BEGINNING;
  let middle = -1;
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
    if (begins[at]) return WORD - at;
    if (middle < 0) middle = MIDDLE - at;
  }
  // One letter in the middle of a word is in nearly every label.
  if (middle >= 0 && wanted.length > 1) return middle;
  return wanted.length > 1 ? lettersInOrder(text, begins, wanted) : -1;
}

/**
 * @param {string} text
 * @param {boolean[]} begins
 * @param {string} wanted
 */
function lettersInOrder(text, begins, wanted) {
  let best = -1;
  for (let start = 0; start < text.length; start += 1) {
    if (!begins[start] || text[start] !== wanted[0]) continue;
    let at = start;
    let skipped = 0;
    let reached = 1;
    for (; reached < wanted.length; reached += 1) {
      const next = nextLetter(text, begins, wanted[reached], at);
      if (next < 0) break;
      skipped += next - at - 1;
      at = next;
    }
    if (reached === wanted.length) best = Math.max(best, LETTERS - skipped - start);
  }
  return best;
}

/**
 * Where the letter comes next: at once, after one or two others, or where a word begins.
 * @param {string} text
 * @param {boolean[]} begins
 * @param {string} letter
 * @param {number} after
 */
function nextLetter(text, begins, letter, after) {
  for (let at = after + 1; at < text.length; at += 1) {
    if (text[at] === letter && (at <= after + 3 || begins[at])) return at;
  }
  return -1;
}

/**
 * The entries that fit, best first; first of all a trace that was pasted, last of all a search.
 * @param {Entry[]} entries
 * @param {string} typed
 * @returns {Entry[]}
 */
export function matching(entries, typed) {
  const text = typed.trim();
  /** @type {Entry[]} */
  const first = [];
  const id = TRACE_ID.exec(text)?.[0] ?? TRACE_ADDRESS.exec(text)?.[1];
  if (id) {
    const shown = id.toLowerCase();
    first.push({ kind: "trace", label: shown, detail: "open this trace", address: `/traces/${shown}` });
  }
  const fitting = entries
    .map((entry, place) => ({ entry, place, score: fit(entry.label, text) }))
    .filter(({ score }) => score >= 0);
  // Who typed what is there does not look for what has those letters somewhere.
  const isThere = fitting.some(({ score }) => score > WORD - LONGEST_LABEL);
  const scored = fitting
    .filter(({ score }) => !text || !isThere || score > LETTERS)
    .sort((a, b) => b.score - a.score || a.place - b.place)
    .map(({ entry }) => entry);
  const found = [...first, ...scored].slice(0, MOST_SHOWN);
  if (text && !id) {
    const address = `/traces?q=${encodeURIComponent(text)}`;
    found.push({ kind: "search", label: text, detail: "search traces for this", address });
  }
  return found;
}

/**
 * The page of a service or of one of its operations, as `links.py` makes it.
 * @param {string} service
 * @param {string} [operation]
 */
function serviceAddress(service, operation) {
  const isPlain = /^[^/\\\x00-\x1f\x7f\x85\u2028\u2029]+$/.test(service)
    && ![".", "..", "~"].includes(service);
  const query = new URLSearchParams();
  if (!isPlain) query.set("service", service);
  if (operation !== undefined) query.set("name", operation);
  const path = `/services/${isPlain ? encodeURIComponent(service) : "~"}`;
  return `${path}${operation === undefined ? "" : "/op"}${query.size ? `?${query}` : ""}`;
}

/**
 * Entries of the document of /api/v1/services.
 * @param {{services: {name: string, operations: string[]}[]}} document
 * @returns {Entry[]}
 */
export function serviceEntries(document) {
  /** @type {Entry[]} */
  const services = [];
  /** @type {Entry[]} */
  const operations = [];
  for (const { name, operations: names } of document.services) {
    services.push({ kind: "service", label: name || "(no name)", address: serviceAddress(name) });
    for (const operation of names) {
      operations.push({ kind: "operation", label: operation || "(no name)", detail: name,
        address: serviceAddress(name, operation) });
    }
  }
  return [...services, ...operations];
}
