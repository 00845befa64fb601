// @ts-check
// Charts of one page move together: a cursor over all of them, a drag chooses the time for the
// page, a click opens a trace of that step (that is a link of the server, and needs no script).

import { rangeAddress, stepAt } from "./step_range.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 1000;
const DRAG_PIXELS = 4;

/** @param {HTMLElement} group */
function join(group) {
  const steps = Number(group.dataset.steps);
  const plots = [...group.querySelectorAll(".plot svg")].map((svg) => {
    const byStep = /** @type {(SVGRectElement | undefined)[]} */ (new Array(steps));
    for (const rect of svg.querySelectorAll(".spot")) {
      const at = stepAt((Number(rect.getAttribute("x")) + 1) / WIDTH, steps);
      byStep[at] = /** @type {SVGRectElement} */ (rect);
    }
    const says = byStep.map((rect) => rect?.querySelector("title")?.textContent ?? "");
    // What the title says stands above the chart now.
    for (const rect of byStep) rect?.querySelector("title")?.remove();
    const readout = svg.closest("figure")?.querySelector(".readout");
    return { svg: /** @type {SVGSVGElement} */ (svg), byStep, says, readout };
  });
  let shown = -1;
  /** @type {{ step: number, x: number } | null} */
  let drag = null;

  /** @param {number} step */
  function show(step) {
    if (step === shown) return;
    for (const plot of plots) {
      plot.byStep[shown]?.classList.remove("at");
      plot.byStep[step]?.classList.add("at");
      if (plot.readout) plot.readout.textContent = plot.says[step] ?? "";
    }
    shown = step;
  }

  /** @param {number} one @param {number} other */
  function mark(one, other) {
    const wide = WIDTH / steps;
    const [low, high] = one <= other ? [one, other] : [other, one];
    for (const { svg } of plots) {
      let rect = svg.querySelector(".range");
      if (!rect) {
        rect = document.createElementNS(SVG, "rect");
        rect.setAttribute("class", "range");
        rect.setAttribute("height", "100");
        svg.prepend(rect);
      }
      rect.setAttribute("x", String(low * wide));
      rect.setAttribute("width", String((high - low + 1) * wide));
    }
  }

  function unmark() {
    for (const { svg } of plots) svg.querySelector(".range")?.remove();
  }

  for (const { svg } of plots) {
    /** @param {PointerEvent} event */
    const at = (event) => {
      const box = svg.getBoundingClientRect();
      return stepAt((event.clientX - box.left) / box.width, steps);
    };
    svg.addEventListener("dragstart", (event) => event.preventDefault());
    svg.addEventListener("pointerdown", (event) => {
      if (event.button === 0) drag = { step: at(event), x: event.clientX };
    });
    svg.addEventListener("pointermove", (event) => {
      show(at(event));
      if (drag && Math.abs(event.clientX - drag.x) > DRAG_PIXELS) {
        svg.setPointerCapture(event.pointerId);
        mark(drag.step, at(event));
      }
    });
    svg.addEventListener("pointerleave", () => { if (!drag) show(-1); });
    svg.addEventListener("pointerup", (event) => {
      const from = drag;
      drag = null;
      if (!from || Math.abs(event.clientX - from.x) <= DRAG_PIXELS) return;
      // The link under the pointer is not what was meant.
      svg.addEventListener("click", (click) => click.preventDefault(), { once: true, capture: true });
      const { start = "0", step = "1" } = group.dataset;
      location.assign(
        rangeAddress(location.search, BigInt(start), BigInt(step), from.step, at(event)));
    });
    svg.addEventListener("pointercancel", () => { drag = null; unmark(); });
  }
}

for (const group of document.querySelectorAll(".charts")) join(/** @type {HTMLElement} */ (group));
