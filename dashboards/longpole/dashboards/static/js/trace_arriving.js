// @ts-check
// A trace that is not there yet, or not whole: asks for its state every few seconds and shows the
// page again when it changed, unless the reader is in the middle of something.

const EVERY_MS = 2000;
const NOT_FOUND_MS = 30000;
const RECEIVING_MS = 600000;

const note = /** @type {HTMLElement | null} */ (document.querySelector(".arriving[data-state]"));
let isBusy = false;
for (const kind of ["pointerdown", "keydown", "wheel"]) {
  addEventListener(kind, () => (isBusy = true), { once: true, passive: true });
}

/** @param {string} address @returns {Promise<{version: string, settled: boolean} | null>} null while there is no such trace */
async function stateOf(address) {
  const response = await fetch(address, { cache: "no-store" });
  return response.ok ? response.json() : null;
}

/** @param {HTMLElement} shown */
async function watch(shown) {
  const known = shown.dataset.version ?? "";
  const until = performance.now() + (known ? RECEIVING_MS : NOT_FOUND_MS);
  while (performance.now() < until) {
    await new Promise((done) => setTimeout(done, EVERY_MS));
    if (document.hidden) continue;
    const state = await stateOf(shown.dataset.state ?? "").catch(() => null);
    if (!state || state.version === known) continue;
    if (!isBusy) {
      location.reload();
      return;
    }
    shown.classList.add("newer");
    const text = state.settled ? "The trace is whole now." : "More of this trace has arrived.";
    if (shown.firstChild) shown.firstChild.textContent = `${text} `;
    if (state.settled) return;
  }
  if (!known && shown.firstChild) shown.firstChild.textContent = "It did not come within half a minute. ";
}

if (note) watch(note);
