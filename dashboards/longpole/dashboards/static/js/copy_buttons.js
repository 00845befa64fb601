// @ts-check
// Buttons that copy their `data-copy`, wherever they stand outside of the viewer, which has its own.
// They are hidden until this runs.

for (const button of document.querySelectorAll("main > :not(#viewer) [data-copy]")) {
  const made = /** @type {HTMLButtonElement} */ (button);
  const title = made.title;
  made.hidden = false;
  made.addEventListener("click", async () => {
    const done = await navigator.clipboard.writeText(made.dataset.copy ?? "").then(() => true, () => false);
    made.title = done ? "Copied" : "The browser does not let us copy";
    made.classList.toggle("done", done);
    setTimeout(() => {
      made.title = title;
      made.classList.remove("done");
    }, 1500);
  });
}
