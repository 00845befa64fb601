// @ts-check
// Parts of a page that take longer than the rest: `<div data-part="/address">` holds a link for
// readers without scripts, and gets the element #part of that page in its place.

/** @param {HTMLElement} place */
async function load(place) {
  const address = place.dataset.part ?? "";
  place.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const other = new DOMParser().parseFromString(await answer.text(), "text/html");
    const part = other.getElementById("part");
    if (part) place.replaceChildren(...part.children);
    document.dispatchEvent(new CustomEvent("partloaded", { detail: place }));
  } catch {
    // The link stays: it leads to the same.
  } finally {
    place.removeAttribute("aria-busy");
  }
}

for (const place of document.querySelectorAll("[data-part]")) load(/** @type {HTMLElement} */ (place));
