// @ts-check
// The keyboard: one table of keys for each page, shown by `?`.

/**
 * @typedef {object} Binding
 * @property {string} key as KeyboardEvent.key has it, with "Shift+", "Ctrl+" or "g " in front
 * @property {string} does what the reader is told
 * @property {(event: KeyboardEvent) => void} run
 * @property {() => boolean} [when] only then, for keys that several parts of a page have; always if missing
 * @property {string} [part] heading in the list of keys
 */

/** @type {Map<string, Binding[]>} */
const bindings = new Map();
const SEQUENCE_MS = 1200;
let waitingSince = -Infinity;

/** Single characters can be switched off (WCAG 2.1.4); a page then works by buttons and links. */
const isOn = () => document.body.dataset.keys !== "off";

/**
 * Adds keys; a later one replaces an earlier one of the same name unless one of them has a `when`.
 * @param {string} part
 * @param {Omit<Binding, "part">[]} list
 */
export function bind(part, list) {
  for (const binding of list) {
    const others = (bindings.get(binding.key) ?? []).filter((other) => other.when || binding.when);
    bindings.set(binding.key, [{ ...binding, part }, ...others]);
  }
}

/** All keys, in the order in which they were bound. */
export function allBindings() {
  return [...bindings.values()].flat();
}

/** What a key does now: the newest binding whose condition holds. @param {string} name */
function bindingOf(name) {
  return bindings.get(name)?.find(({ when }) => !when || when());
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/** @param {KeyboardEvent} event */
function nameOf(event) {
  const control = event.ctrlKey || event.metaKey ? "Ctrl+" : "";
  // For letters and signs the shift is in the character itself.
  const shift = event.shiftKey && event.key.length > 1 ? "Shift+" : "";
  return control + shift + event.key;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.altKey || event.isComposing) return;
  const name = nameOf(event);
  if (!name.startsWith("Ctrl+")) {
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    // Keys with a name (arrows, Enter) are no single characters: a grid works by them in any case.
    if (!isOn() && name.length === 1) return;
  }
  const isSecond = event.timeStamp - waitingSince < SEQUENCE_MS;
  waitingSince = -Infinity;
  const binding = (isSecond && bindingOf(`g ${name}`)) || bindingOf(name);
  if (binding) {
    event.preventDefault();
    binding.run(event);
  } else if (name === "g") {
    waitingSince = event.timeStamp;
  }
});
