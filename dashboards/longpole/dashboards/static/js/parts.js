// @ts-check
// Parts of a page that take a moment come after it: the server made them, as inert as the page.

/** @param {HTMLElement} host */
async function fill(host) {
  const address = host.dataset.part ?? "";
  host.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    if (!answer.ok) return; // the link that stands there still works
    const made = new DOMParser().parseFromString(await answer.text(), "text/html");
    host.replaceChildren(...made.body.childNodes);
  } catch {
    // The server is gone; the link that stands there says so when it is followed.
  } finally {
    host.removeAttribute("aria-busy");
  }
}

for (const host of document.querySelectorAll("[data-part]")) {
  void fill(/** @type {HTMLElement} */ (host));
}
