// @ts-check
// Times of a page in the reader's own time zone, where the settings say so: every
// `<time datetime="…Z">` is written anew, and every `.zone` says which zone that is.

/**
 * `2026-11-28 14:02:11.482` in the zone of this browser.
 * @param {Date} at
 * @param {string} sent the text of the server, of which the length is kept
 */
export function localText(at, sent) {
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  const fraction = String(at.getMilliseconds()).padStart(3, "0");
  return `${day} ${time}.${fraction}`.slice(0, Math.max(sent.trim().length, 10));
}

/** The time of the day alone, `14:02:11.482`. @param {Date} at @param {string} sent as above */
export function localClock(at, sent) {
  return localText(at, "0".repeat(11 + sent.trim().length)).slice(11);
}

/** `UTC+2`, `UTC-3:30`. @param {number} minutesWest as Date.getTimezoneOffset has it */
export function zoneName(minutesWest) {
  const east = Math.abs(minutesWest);
  const minutes = east % 60 ? `:${String(east % 60).padStart(2, "0")}` : "";
  if (!east) return "UTC";
  return `UTC${minutesWest > 0 ? "-" : "+"}${Math.floor(east / 60)}${minutes}`;
}

/** @param {ParentNode} part */
export function localise(part) {
  for (const found of part.querySelectorAll("time[datetime]:not([data-local])")) {
    const element = /** @type {HTMLTimeElement} */ (found);
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    element.title = `${element.dateTime.replace("T", " ").replace("Z", "")} UTC`;
    const sent = element.textContent ?? "";
    element.textContent = element.classList.contains("clock") ? localClock(at, sent) : localText(at, sent);
    element.dataset.local = "";
  }
  for (const zone of part.querySelectorAll(".zone")) {
    zone.textContent = zoneName(new Date().getTimezoneOffset());
  }
}

if (typeof document !== "undefined" && document.body?.dataset.zone === "local") {
  localise(document);
  document.addEventListener("partloaded", (event) => {
    localise(/** @type {CustomEvent<HTMLElement>} */ (event).detail);
  });
}
