// @ts-check
// The live tail: rows come at the top while the reader is there; else they wait behind a pill.

import { bind } from "../keys.js";
import "../list_keys.js";
import { combobox } from "../search/combobox.js";
import { marks } from "../search/marks.js";
import { rowOf } from "./row.js";
import { queued, rate } from "./waiting.js";

/** @typedef {import("./waiting.js").LiveRow} LiveRow */

const MOST_ROWS = 200;
const SCROLLED = 160;
const RATE_MS = 10000;

const input = /** @type {HTMLInputElement | null} */ (document.querySelector("#ask"));
if (input) combobox(input);
const bar = /** @type {HTMLElement | null} */ (document.querySelector(".live-bar"));
if (bar) follow(bar);
marks();

/** @param {HTMLElement} bar */
function follow(bar) {
  const table = /** @type {HTMLTableElement} */ (document.querySelector("table.list"));
  const body = table.tBodies[0];
  const slots = Number(table.dataset.slots);
  const find = (/** @type {string} */ name) =>
    /** @type {HTMLElement} */ (bar.querySelector(name));
  const [pause, state, speed, pill] = [".pause", ".live-state", ".live-rate", ".pill"].map(find);
  const nothing = /** @type {HTMLElement} */ (document.querySelector(".quiet-live"));
  let isPaused = false;
  let lost = 0;
  /** @type {LiveRow[]} */
  let waiting = [];
  /** @type {{at: number, count: number}[]} */
  let looks = [];

  /** @param {LiveRow[]} rows newest first @param {boolean} isShown */
  function put(rows, isShown) {
    for (const told of [...rows].reverse()) {
      const made = rowOf(told, slots);
      document.dispatchEvent(new CustomEvent("partloaded", { detail: made }));
      const old = [...body.rows].find((row) => row.dataset.trace === told.trace_id);
      if (old) {
        // Where it is, so that nothing jumps; whoever has the focus keeps it.
        const hadFocus = old.contains(document.activeElement);
        old.replaceWith(made);
        if (hadFocus) made.querySelector("a")?.focus({ preventScroll: true });
      } else if (isShown) {
        made.classList.add("arrived");
        body.prepend(made);
      }
    }
    while (body.rows.length > MOST_ROWS) body.deleteRow(-1);
    table.hidden = body.rows.length === 0;
    nothing.hidden = body.rows.length > 0;
  }

  function release() {
    put(waiting, true);
    waiting = [];
    lost = 0;
    showPill();
  }

  function showPill() {
    pill.hidden = waiting.length === 0;
    pill.textContent = `${waiting.length + lost} new ↑`;
  }

  /** @param {boolean} paused */
  function setPaused(paused) {
    isPaused = paused;
    pause.textContent = paused ? "Go on" : "Pause";
    pause.setAttribute("aria-pressed", String(paused));
    if (!paused) release();
    say(paused ? "paused" : "live");
  }

  /** @param {string} words */
  function say(words) {
    if (state.textContent !== words) state.textContent = words;
  }

  pause.hidden = false;
  pause.setAttribute("aria-pressed", "false");
  pause.addEventListener("click", () => setPaused(!isPaused));
  pill.addEventListener("click", () => {
    window.scrollTo({ top: 0 });
    release();
  });
  bind("Live", [{ key: "p", does: "pause or go on", run: () => setPaused(!isPaused) }]);
  window.addEventListener("scroll", () => {
    if (!isPaused && waiting.length && window.scrollY < SCROLLED / 4) release();
  }, { passive: true });

  const events = new EventSource(bar.dataset.events ?? "");
  events.addEventListener("open", () => say(isPaused ? "paused" : "live"));
  events.addEventListener("error", () => {
    say(events.readyState === EventSource.CLOSED
      ? "not live: the server takes no more readers; reload the page to try again"
      : "the connection was lost; trying again");
  });
  events.addEventListener("traces", (event) => {
    const told = JSON.parse(/** @type {MessageEvent} */ (event).data);
    looks = [...looks.slice(-60), { at: performance.now(), count: told.new_count }];
    const mustWait = isPaused || window.scrollY > SCROLLED;
    if (mustWait) {
      const known = new Set([...body.rows].map((row) => row.dataset.trace));
      const fresh = told.traces.filter((/** @type {LiveRow} */ row) => !known.has(row.trace_id));
      if (!isPaused) put(told.traces, false);
      const next = queued(waiting, fresh);
      waiting = next.rows;
      lost += next.lost;
      showPill();
    } else {
      put(told.traces, true);
    }
    if (told.skipped) say(`live; ${told.skipped} were skipped, this page was too slow for them`);
    else if (told.is_cut) say("live; more come than can be shown, these are some of them");
  });
  window.setInterval(() => {
    const now = rate(looks, performance.now(), RATE_MS);
    speed.textContent = `${now >= 10 ? now.toFixed(0) : now.toFixed(1)} traces/s`;
  }, 1000);
  window.addEventListener("pagehide", () => events.close());
}
