// @ts-check
// What the views of the trace page share beside the model: the contract between them, and its parts.

/** @typedef {import("./model.js").TraceModel} TraceModel */
/**
 * @typedef {object} Colours read from the tokens of the page; new after "themechange"
 * @property {string} text
 * @property {string} muted
 * @property {string} ground
 * @property {string} raised
 * @property {string} sunken
 * @property {string} line
 * @property {string} lineStrong
 * @property {string} link
 * @property {string} error
 * @property {string} warn
 * @property {string} ok
 * @property {string} select
 * @property {string[]} bars of services by their `colour`, 16
 * @property {string[]} onBars of text on these
 * @property {string} sans font family
 * @property {string} mono font family
 * @property {boolean} isForced colours are the system's; draw outlines rather than fills
 */
/**
 * @typedef {object} Shared handed to every view by `mount(host, model, shared)`
 * @property {(span: number, how?: {grouped?: boolean, reveal?: boolean}) => void} select
 *   selects a span row and makes the panel show it; reveal: also go to the waterfall
 * @property {(from: number, to: number) => void} setWindow ticks
 * @property {(name: ViewName) => void} show another view
 * @property {() => void} openPanel shows the details of the selected row
 * @property {() => Colours} colours of the current theme
 * @property {(service: number) => string} barColour of a service by its index
 * @property {(service: number) => string} onBarColour of text on the bar of a service
 * @property {(text: string) => void} say in the live region and the status line
 * @property {(span: number) => Promise<string>} spanId hex id of a row; the ids are fetched at the first question
 * @property {(text: string, what: string) => Promise<void>} copy to the clipboard, and say so
 * @property {(x: number, y: number, lines: {text: string, isMuted?: boolean}[] | null) => void} hint
 *   a card next to the pointer (client pixels), null takes it away
 * @property {string} traceId
 * @property {URLSearchParams} options of the page that the server also has to know (path options)
 */
/** @typedef {"waterfall" | "flame" | "table" | "map" | "logs"} ViewName */
/**
 * @typedef {object} View what `mount` returns; every method is optional
 * @property {() => void} [shown] the view is on screen (again): measure and draw
 * @property {() => void} [left] another view is on screen: stop listening to what costs time
 */
/** @typedef {(host: HTMLElement, model: TraceModel, shared: Shared) => View | void} Mount */

export const VIEWS = /** @type {const} */ (["waterfall", "flame", "table", "map", "logs"]);
const PALETTE = 16;
const WITH_WHITE_TEXT = 8;

/** The tokens as they are now. @param {Element} element @returns {Colours} */
export function readColours(element) {
  const style = getComputedStyle(element);
  const of = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
  const isForced = matchMedia("(forced-colors: active)").matches;
  const bars = Array.from({ length: PALETTE }, (_, i) => of(`c${i}`));
  const system = isForced ? { text: "CanvasText", ground: "Canvas", muted: "GrayText", link: "LinkText", line: "GrayText" } : {};
  return {
    text: of("text"), muted: of("muted"), ground: of("ground"), raised: of("raised"), sunken: of("sunken"), line: of("line"),
    lineStrong: of("line-strong"), link: of("link"), error: of("error"), warn: of("warn"), ok: of("ok"), select: of("select"),
    sans: of("sans"), mono: of("mono"), isForced, bars,
    onBars: bars.map((_, i) => of(i < WITH_WHITE_TEXT ? "on-dark" : "on-light")), ...system,
  };
}

/**
 * Runs at most once per frame, however often it is asked.
 * @param {() => void} draw @returns {() => void}
 */
export function oncePerFrame(draw) {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      draw();
    });
  };
}

/**
 * Sizes a canvas to its box in device pixels and hands out its context scaled to CSS pixels.
 * @param {HTMLCanvasElement} canvas @param {number} width @param {number} height CSS pixels
 */
export function contextOf(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}
