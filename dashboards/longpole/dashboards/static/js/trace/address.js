// @ts-check
// The state of the trace page in its URL: ?view= &span= &t=start-end (ns) &f= &cp=1 &g=0 &root= &only=1
// Whatever else is in the URL stays there.

import { VIEWS } from "./shared.js";

/** @typedef {import("./shared.js").ViewName} ViewName */
/**
 * @typedef {object} State
 * @property {ViewName} view
 * @property {string} span hex id, "" for none
 * @property {[number, number] | null} time nanoseconds since the start of the trace
 * @property {string} find
 * @property {boolean} only matches only
 * @property {boolean} critical
 * @property {boolean} grouped
 * @property {number} root row, -1 for the whole trace
 * @property {number} [twin] row of the span where another one has its id, too
 */

/** @param {string} search @returns {State} */
export function readState(search) {
  const asked = new URLSearchParams(search);
  const view = /** @type {ViewName} */ (asked.get("view"));
  const range = /^(\d{1,19})-(\d{1,19})$/.exec(asked.get("t") ?? "");
  const root = asked.get("root") ?? "";
  return {
    view: VIEWS.includes(view) ? view : "waterfall",
    span: /^[0-9a-f]{16}$/i.test(asked.get("span") ?? "") ? /** @type {string} */ (asked.get("span")).toLowerCase() : "",
    time: range && Number(range[2]) > Number(range[1]) ? [Number(range[1]), Number(range[2])] : null,
    find: (asked.get("f") ?? "").slice(0, 500),
    only: asked.get("only") === "1",
    critical: asked.get("cp") === "1",
    grouped: asked.get("g") !== "0",
    root: /^\d{1,9}$/.test(root) ? Number(root) : -1,
  };
}

/**
 * The query string for a state; defaults are left out, other parameters kept.
 * @param {string} search as it is @param {State} state
 */
export function writeState(search, state) {
  const asked = new URLSearchParams(search);
  const put = (/** @type {string} */ name, /** @type {string} */ value) => (value ? asked.set(name, value) : asked.delete(name));
  put("view", state.view === "waterfall" ? "" : state.view);
  put("span", state.span);
  put("row", state.span && state.twin !== undefined && state.twin >= 0 ? String(state.twin) : "");
  put("t", state.time ? `${Math.floor(state.time[0])}-${Math.ceil(state.time[1])}` : "");
  put("f", state.find);
  put("only", state.only && state.find ? "1" : "");
  put("cp", state.critical ? "1" : "");
  put("g", state.grouped ? "" : "0");
  put("root", state.root < 0 ? "" : String(state.root));
  const text = asked.toString();
  return text ? `?${text}` : "";
}
