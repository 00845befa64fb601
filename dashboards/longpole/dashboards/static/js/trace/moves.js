// @ts-check
// Going somewhere in the trace: next error, next bottleneck, next match, up and down, in and out.

const ZOOM = 1.5;
const PAN = 0.2;

/** @typedef {ReturnType<typeof movesOf>} Moves */

/** @param {import("./model.js").TraceModel} model @param {(text: string) => void} say */
export function movesOf(model, say) {
  /** Place in the list of bottlenecks; the first step goes to the worst. */
  let bottleneck = -1;

  /** @param {ArrayLike<number>} spans @param {1 | -1} step @param {string} what */
  function go(spans, step, what) {
    const span = model.nextOf(spans, step);
    if (span < 0) {
      say(`No ${what}`);
      return;
    }
    model.select(span);
    let [low, high] = [0, spans.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (spans[middle] < span) low = middle + 1;
      else high = middle;
    }
    say(`${what} ${low + 1} of ${spans.length}`);
  }

  return {
    error: (/** @type {1 | -1} */ step) => go(model.derived.errorRows, step, "Error"),
    match: (/** @type {1 | -1} */ step) => go(model.matchRows, step, "Match"),
    bottleneck(/** @type {1 | -1} */ step) {
      const { length } = model.bottlenecks;
      if (!length) return say("No bottleneck");
      // From wherever the reader is in the list; the worst is what is selected at first.
      const here = model.bottlenecks.findIndex((span) => model.placeOf(span) === model.selectedPlace);
      if (here >= 0 && model.placeOf(model.bottlenecks[bottleneck] ?? -1) !== model.selectedPlace) bottleneck = here;
      bottleneck = bottleneck < 0 ? (step > 0 ? 0 : length - 1) : (bottleneck + step + length) % length;
      model.select(model.bottlenecks[bottleneck], { grouped: true });
      say(`Bottleneck ${bottleneck + 1} of ${length}`);
    },
    /** @param {number} by rows */
    row(by) {
      const last = model.rows.codes.length - 1;
      if (last < 0) return;
      const place = Math.min(last, Math.max(0, model.selectedPlace + by));
      model.selectRow(model.rows.codes[place]);
    },
    /** Right: open, then the first row inside. Left: close, then the row above. @param {1 | -1} side */
    side(side) {
      const { selected: code, rows } = model;
      const place = model.selectedPlace;
      if (place < 0) return;
      if (side > 0) {
        if (model.canOpen(code) && !model.isOpen(code)) model.setOpen(code, true);
        else if (rows.depths[place + 1] > rows.depths[place]) model.selectRow(rows.codes[place + 1]);
        return;
      }
      if (model.canOpen(code) && model.isOpen(code) && !model.fold.keep) {
        model.setOpen(code, false);
        return;
      }
      let above = place - 1;
      while (above >= 0 && rows.depths[above] >= rows.depths[place]) above--;
      if (above >= 0) model.selectRow(rows.codes[above]);
    },
    /** @param {1 | -1} out 1 zooms out */
    zoom(out) {
      const [from, to] = model.selected < 0 ? [model.from, model.to] : model.extentOf(model.selected);
      const middle = (Math.max(from, model.from) + Math.min(to, model.to)) / 2;
      model.zoom(ZOOM ** out, middle >= model.from && middle <= model.to ? middle : undefined);
    },
    /** @param {1 | -1} side */
    pan: (side) => model.pan(side * PAN * (model.to - model.from)),
    whole: () => model.setWindow(0, model.extent),
    toSelected() {
      if (model.selected < 0) return;
      const [from, to] = model.extentOf(model.selected);
      model.setWindow(from, to);
    },
  };
}
