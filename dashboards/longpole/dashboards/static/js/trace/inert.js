// @ts-check
// Telemetry as text that cannot mislead its reader: the twin of inert_text.py.

const MISLEADING = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u061c\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu;
export const NAMELESS = "(no name)";

/**
 * Control, bidi and surrogate characters become U+FFFD, tabs and line breaks blanks; long text is cut.
 * @param {string} text @param {number} [most] characters
 */
export function inert(text, most = 200) {
  const cut = text.length > most ? `${text.slice(0, most)}…` : text;
  return cut.replace(MISLEADING, (c) => (c === "\t" || c === "\n" || c === "\r" ? " " : "\ufffd")).trim() || NAMELESS;
}
