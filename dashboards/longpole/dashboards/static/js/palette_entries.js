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

/**
 * How well a label fits what was typed: higher is better, below 0 not at all. Whole words and
 * beginnings count more than letters in order.
 * @param {string} label
 * @param {string} typed
 */
export function fit(label, typed) {
  const text = label.toLowerCase();
  const wanted = typed.toLowerCase();
  if (!wanted) return 0;
  const at = text.indexOf(wanted);
  if (at === 0) return 1000 - text.length / 100;
  if (at > 0) return (/[\s/._:-]/.test(text[at - 1]) ? 800 : 600) - at - text.length / 100;
  let from = 0;
  let jumps = 0;
  for (const letter of wanted) {
    const found = text.indexOf(letter, from);
    if (found < 0) return -1;
    if (found > from) jumps += 1;
    from = found + 1;
  }
  // A few letters out of a long text fit by chance.
  return jumps > wanted.length / 2 + 1 ? -1 : 300 - jumps * 20 - text.length / 100;
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
  const scored = entries
    .map((entry, place) => ({ entry, place, score: fit(entry.label, text) }))
    .filter(({ score }) => score >= 0)
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
    const page = `/services/${encodeURIComponent(name)}`;
    services.push({ kind: "service", label: name || "(no name)", address: page });
    for (const operation of names) {
      operations.push({ kind: "operation", label: operation || "(no name)", detail: name,
        address: `${page}/op?name=${encodeURIComponent(operation)}` });
    }
  }
  return [...services, ...operations];
}
