// @ts-check
// Menus are <details class="drop">: they open and close without this. With it, Escape closes the
// one that has the focus, and so does whatever happens outside of it.

/** @param {EventTarget | null} target */
const menuOf = (target) => (target instanceof Element ? target.closest("details.drop") : null);

/** @param {Element | null} except */
function closeOthers(except) {
  for (const open of document.querySelectorAll("details.drop[open]")) {
    if (open !== except) open.removeAttribute("open");
  }
}

document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" ? menuOf(document.activeElement) : null;
  if (!menu?.hasAttribute("open")) return;
  menu.removeAttribute("open");
  menu.querySelector("summary")?.focus();
  event.stopPropagation();
}, { capture: true });
document.addEventListener("focusin", (event) => closeOthers(menuOf(event.target)));
document.addEventListener("pointerdown", (event) => closeOthers(menuOf(event.target)));
