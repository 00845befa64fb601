// @ts-check
// Elements in one line; text is always text.

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {Record<string, string | boolean | undefined>} [attributes] `text` becomes the text
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (name === "text") made.textContent = String(value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/**
 * A button that does one thing. Its title says the key that does the same.
 * @param {string} text @param {string} says what it does @param {() => void} run @param {Record<string, string>} [attributes]
 */
export function button(text, says, run, attributes = {}) {
  const made = element("button", { type: "button", title: says, ...(/[\p{L}\d]/u.test(text) ? {} : { "aria-label": says }), ...attributes });
  made.textContent = text;
  made.addEventListener("click", run);
  return made;
}

const PALETTE = 16;

/** Class of the dot of a service: `c5`, or `c5 hatch`. @param {{colour: number, hatched?: boolean}} service */
export function colourClass({ colour, hatched }) {
  return `c${paletteIndex(colour)}${hatched ? " hatch" : ""}`;
}

/** A colour of the palette, whatever the number. @param {number} colour */
export function paletteIndex(colour) {
  return (((colour | 0) % PALETTE) + PALETTE) % PALETTE;
}
