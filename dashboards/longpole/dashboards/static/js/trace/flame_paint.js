// @ts-check
// Draws the lanes of a flame graph that are on screen: what is narrower than a pixel becomes one pixel,
// pixels of one colour beside each other become one rectangle.

import { eachInWindow } from "./intervals.js";

/** @typedef {import("./pictures.js").Picture} Picture */
/** @typedef {import("./shared.js").Shared} Shared */
/**
 * @typedef {object} Scene
 * @property {number} width px
 * @property {number} height px
 * @property {number} top px scrolled down
 * @property {number} hovered item, -1 for none
 */

export const LANE_PX = 20;
const GAP_PX = 1;
const INK_PX = 3;
const PADDING_PX = 4;
const LEAST_TEXT_PX = 28;
const FADED = 0.22;

/**
 * @param {CanvasRenderingContext2D} context @param {Picture} picture @param {Shared} shared @param {Scene} scene
 * @returns {number} how many rectangles it took
 */
export function paintFlame(context, picture, shared, { width, height, top, hovered }) {
  const colours = shared.colours();
  const [from, to] = picture.window();
  const perPixel = (to - from) / Math.max(1, width);
  const first = Math.max(0, Math.floor(top / LANE_PX));
  const last = Math.min(picture.tower.lanes, Math.ceil((top + height) / LANE_PX));
  context.font = `12px ${colours.sans}`;
  context.textBaseline = "middle";
  const letter = Math.max(1, context.measureText("abcdefghij").width / 10);
  let rectangles = 0;
  for (let lane = first; lane < last; lane++) {
    const y = Math.round(lane * LANE_PX - top);
    let [runFrom, runTo, runColour, runAlpha] = [0, 0, "", 1];
    const flush = () => {
      if (!runColour) return;
      context.globalAlpha = runAlpha;
      context.fillStyle = runColour;
      context.fillRect(runFrom, y, runTo - runFrom, LANE_PX - GAP_PX);
      runColour = "";
      rectangles++;
    };
    eachInWindow(picture.tower, picture.start, picture.dur, lane, from, to, perPixel, (item) => {
      // A moment is something to see, a sum of nothing is not.
      if (!picture.isTime && picture.dur[item] === 0) return;
      const x0 = Math.max(-1, (picture.start[item] - from) / perPixel);
      const x1 = Math.min(width + 1, (picture.start[item] + picture.dur[item] - from) / perPixel);
      const service = picture.serviceOf(item);
      const hasError = picture.hasError(item);
      const alpha = picture.isFaded(item) ? FADED : 1;
      if (x1 - x0 < 2) {
        const colour = hasError ? colours.error : shared.barColour(service);
        const x = Math.floor(x0);
        if (runColour === colour && runAlpha === alpha && x <= runTo) runTo = Math.max(runTo, x + 1);
        else {
          flush();
          [runFrom, runTo, runColour, runAlpha] = [x, x + 1, colour, alpha];
        }
        return;
      }
      flush();
      rectangles++;
      frame(context, picture, shared, item, { x0, x1, y, alpha, service, hasError, letter, isHovered: item === hovered });
    });
    flush();
  }
  context.globalAlpha = 1;
  outline(context, picture, colours, { from, perPixel, top, height });
  return rectangles;
}

/**
 * @param {CanvasRenderingContext2D} context @param {Picture} picture @param {Shared} shared @param {number} item
 * @param {{x0: number, x1: number, y: number, alpha: number, service: number, hasError: boolean, letter: number, isHovered: boolean}} at
 */
function frame(context, picture, shared, item, { x0, x1, y, alpha, service, hasError, letter, isHovered }) {
  const colours = shared.colours();
  const wide = x1 - x0;
  const high = LANE_PX - GAP_PX;
  const w = Math.max(1, wide - Math.min(1, wide / 4));
  context.globalAlpha = alpha;
  context.fillStyle = colours.isForced ? colours.ground : shared.barColour(service);
  context.fillRect(x0, y, w, high);
  if (colours.isForced) strokeIn(context, x0, y, w, high, colours.text, 1);
  if (hasError) strokeIn(context, x0, y, w, high, colours.error, 2);
  if (isHovered) {
    context.globalAlpha = 0.18;
    context.fillStyle = colours.ground;
    context.fillRect(x0, y, w, high);
    context.globalAlpha = alpha;
  }
  const ink = picture.inkShare(item);
  if (ink > 0 && wide > 3) inkLine(context, colours, x0, x0 + w * ink, y);
  if (wide < LEAST_TEXT_PX) return;
  const left = Math.max(0, x0) + PADDING_PX;
  const room = Math.floor((x1 - left - PADDING_PX) / letter);
  const name = (hasError ? "✕ " : "") + picture.name(item);
  if (room < 3) return;
  context.fillStyle = colours.isForced ? colours.text : shared.onBarColour(service);
  context.fillText(fitting(context, name, x1 - left - PADDING_PX, room), left, y + high / 2);
}

/** As much of a name as fits. @param {CanvasRenderingContext2D} context @param {string} name @param {number} px @param {number} guess characters */
function fitting(context, name, px, guess) {
  if (name.length <= guess * 2 && context.measureText(name).width <= px) return name;
  let length = Math.min(name.length, guess);
  while (length > 1) {
    const cut = `${name.slice(0, length)}…`;
    const over = context.measureText(cut).width / px;
    if (over <= 1) return cut;
    length = Math.min(length - 1, Math.floor(length / over));
  }
  return "";
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} w @param {number} h @param {string} colour @param {number} line */
function strokeIn(context, x, y, w, h, colour, line) {
  context.strokeStyle = colour;
  context.lineWidth = line;
  if (w > line && h > line) context.strokeRect(x + line / 2, y + line / 2, w - line, h - line);
}

/** @param {CanvasRenderingContext2D} context @param {import("./shared.js").Colours} colours @param {number} x0 @param {number} x1 @param {number} y */
function inkLine(context, colours, x0, x1, y) {
  const at = y + LANE_PX - GAP_PX - INK_PX;
  context.fillStyle = colours.ground;
  context.fillRect(x0, at - 1, Math.max(1, x1 - x0), INK_PX + 1);
  context.fillStyle = colours.text;
  context.fillRect(x0, at, Math.max(1, x1 - x0), INK_PX);
}

/**
 * The critical path, in time: along the foot of whoever holds it.
 * @param {CanvasRenderingContext2D} context @param {Picture} picture @param {import("./model.js").TraceModel} model
 * @param {Shared} shared @param {Scene} scene
 */
export function paintPath(context, picture, model, shared, { width, height, top }) {
  const { seg_row, seg_start, seg_end } = model.columns;
  const [from, to] = picture.window();
  const perPixel = (to - from) / Math.max(1, width);
  let [low, high] = [0, seg_end.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (seg_end[middle] <= from) low = middle + 1;
    else high = middle;
  }
  let drawnTo = -1;
  for (let i = low; i < seg_row.length && seg_start[i] < to; i++) {
    const x0 = (seg_start[i] - from) / perPixel;
    const x1 = (seg_end[i] - from) / perPixel;
    // Of segments within one pixel the first stands for all.
    if (x1 - x0 < 1 && Math.floor(x0) <= drawnTo) continue;
    drawnTo = Math.floor(x1);
    const y = Math.round(picture.laneOf(seg_row[i]) * LANE_PX - top);
    if (y + LANE_PX < 0 || y > height) continue;
    inkLine(context, shared.colours(), Math.max(-1, x0), Math.min(width + 1, x1), y);
  }
}

/**
 * What is selected: a frame in the colour of text with a halo of the ground.
 * @param {CanvasRenderingContext2D} context @param {Picture} picture @param {import("./shared.js").Colours} colours
 * @param {{from: number, perPixel: number, top: number, height: number}} at
 */
function outline(context, picture, colours, { from, perPixel, top, height }) {
  const item = picture.selected();
  if (item < 0) return;
  const y = Math.round(picture.laneOf(item) * LANE_PX - top);
  if (y + LANE_PX < 0 || y > height) return;
  const x0 = (picture.start[item] - from) / perPixel;
  const w = Math.max(3, picture.dur[item] / perPixel);
  const left = Math.max(-4, x0);
  const wide = Math.min(1e5, x0 + w - left);
  strokeIn(context, left - 1, y - 1, wide + 2, LANE_PX + 1, colours.ground, 4);
  strokeIn(context, left - 1, y - 1, wide + 2, LANE_PX + 1, colours.text, 2);
}
