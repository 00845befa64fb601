// @ts-check
// A part of a page that stays fresh: `<div id="…" data-refresh="5">` is asked for again every so
// many seconds while the page is seen, unless the reader pauses it or is selecting text in it.

const LABELS = { on: "Pause", off: "Refresh" };
let isOn = true;

/** @param {HTMLElement} part */
async function renew(part) {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const other = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = other.getElementById(part.id);
    // Where the focus is, nothing may be replaced below it.
    if (!fresh || part.contains(document.activeElement) || !isUnselected(part)) return;
    part.replaceChildren(...fresh.childNodes);
    document.dispatchEvent(new CustomEvent("partloaded", { detail: part }));
  } catch {
    // The server is away; what is shown says as of when it is.
  }
}

/** @param {HTMLElement} part */
function isUnselected(part) {
  const chosen = getSelection();
  return !chosen || chosen.isCollapsed || !part.contains(chosen.anchorNode);
}

for (const found of document.querySelectorAll("[data-refresh][id]")) {
  const part = /** @type {HTMLElement} */ (found);
  const every = 1000 * Math.max(1, Number(part.dataset.refresh) || 5);
  setInterval(() => {
    if (isOn && document.visibilityState === "visible") renew(part);
  }, every);
}

const control = /** @type {HTMLElement | null} */ (document.querySelector("[data-refresh-control]"));
if (control) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = LABELS.on;
  button.addEventListener("click", () => {
    isOn = !isOn;
    button.textContent = isOn ? LABELS.on : LABELS.off;
  });
  control.append(button);
  control.hidden = false;
}
