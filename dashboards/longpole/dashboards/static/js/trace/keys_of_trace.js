// @ts-check
// The keys of the trace page. The table is what `?` shows.

import { bind } from "../keys.js";
import { VIEWS } from "./shared.js";

/**
 * @param {object} page
 * @param {import("./model.js").TraceModel} page.model
 * @param {import("./moves.js").Moves} page.moves
 * @param {{focusFind: () => void}} page.bar
 * @param {{setOpen: (open: boolean) => void, isOpen: () => boolean, focus: () => void}} page.panel
 * @param {(view: import("./shared.js").ViewName) => void} page.show
 * @param {() => string} page.current view
 * @param {ReturnType<typeof import("./waterfall.js").mount>} page.waterfall
 * @param {() => void} page.copyLink
 * @param {() => void} page.copyJson
 */
export function bindKeys({ model, moves, bar, panel, show, current, waterfall, copyLink, copyJson }) {
  const inRows = () => current() === "waterfall";
  // Arrows scroll the page unless a row has the focus.
  const inGrid = () => inRows() && (waterfall?.grid.contains(document.activeElement) ?? false);
  const row = (/** @type {string} */ key, /** @type {string} */ does, /** @type {() => void} */ run) => ({ key, does, run, when: inRows });
  const grid = (/** @type {string} */ key, /** @type {string} */ does, /** @type {() => void} */ run) => ({ key, does, run, when: inGrid });
  const step = (/** @type {number} */ by) => () => {
    moves.row(by);
    waterfall?.focusSelected();
  };
  // The keys go on from the row that was found.
  const found = (/** @type {() => void} */ move) => () => {
    move();
    if (inRows()) waterfall?.focusSelected();
  };
  bind("Trace: find your way", [
    { key: "b", does: "next bottleneck", run: found(() => moves.bottleneck(1)) },
    { key: "B", does: "previous bottleneck", run: found(() => moves.bottleneck(-1)) },
    { key: "e", does: "next error", run: found(() => moves.error(1)) },
    { key: "E", does: "previous error", run: found(() => moves.error(-1)) },
    { key: "f", does: "find in the trace", run: bar.focusFind },
    { key: "n", does: "next match", run: found(() => moves.match(1)) },
    { key: "N", does: "previous match", run: found(() => moves.match(-1)) },
  ]);
  bind("Trace: rows", [
    row("j", "next row", step(1)),
    row("k", "previous row", step(-1)),
    grid("ArrowDown", "next row", step(1)),
    grid("ArrowUp", "previous row", step(-1)),
    grid("ArrowRight", "open, or go inside", () => moves.side(1)),
    grid("ArrowLeft", "close, or go to the row above", () => moves.side(-1)),
    grid("PageDown", "a screen down", () => step(waterfall.page())()),
    grid("PageUp", "a screen up", () => step(-waterfall.page())()),
    grid("Home", "first row", step(-Infinity)),
    grid("End", "last row", step(Infinity)),
    grid("Enter", "details", () => {
      panel.setOpen(true);
      panel.focus();
    }),
    row("[", "collapse all", () => model.setAllOpen(false)),
    row("]", "expand all", () => model.setAllOpen(true)),
    { key: "r", does: "only the tree of this row; again: the whole trace", run: () => model.setRoot(model.fold.root === model.spanOf(model.selected) ? -1 : model.spanOf(model.selected)) },
  ]);
  bind("Trace: time and look", [
    { key: "c", does: "fade what is not on the critical path", run: () => model.setCriticalOnly(!model.criticalOnly) },
    { key: "u", does: "group repeated spans", run: () => model.setGrouping(!model.fold.grouped) },
    { key: "s", does: "zoom to the selected row", run: moves.toSelected },
    { key: "0", does: "the whole trace", run: moves.whole },
    { key: "+", does: "zoom in", run: () => moves.zoom(-1) },
    { key: "=", does: "zoom in", run: () => moves.zoom(-1) },
    { key: "-", does: "zoom out", run: () => moves.zoom(1) },
    { key: "Shift+ArrowLeft", does: "earlier", run: () => moves.pan(-1) },
    { key: "Shift+ArrowRight", does: "later", run: () => moves.pan(1) },
  ]);
  bind("Trace: page", [
    ...VIEWS.map((view, i) => ({ key: String(i + 1), does: view, run: () => show(view) })),
    { key: "y", does: "copy the link to what you see", run: copyLink },
    { key: "Y", does: "copy the span as JSON", run: copyJson },
    { key: "Escape", does: "close the details", run: () => panel.setOpen(false), when: () => panel.isOpen() },
    { key: ",", does: "previous result of the search", run: () => follow("prev"), when: () => has("prev") },
    { key: ".", does: "next result of the search", run: () => follow("next"), when: () => has("next") },
  ]);
}

const linkOf = (/** @type {string} */ rel) => /** @type {HTMLAnchorElement | null} */ (document.querySelector(`main a[rel=${rel}]`));
/** @param {string} rel */
function has(rel) { return linkOf(rel) !== null; }
/** @param {string} rel */
function follow(rel) { linkOf(rel)?.click(); }
