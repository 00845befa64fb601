// @ts-check
// What accepting a completion does to a query, without the page.

/**
 * @typedef {object} Completion
 * @property {string} expects field, comparison, value, join or nothing
 * @property {number} begin
 * @property {number} end
 * @property {{text: string, label: string, detail: string, count: number | null}[]} options
 */

/**
 * The text and the cursor once an option is in place, with one blank after it.
 * @param {string} text
 * @param {Completion} completion
 * @param {number} place of the option
 */
export function inserted(text, completion, place) {
  const before = text.slice(0, completion.begin);
  const after = text.slice(completion.end);
  const blank = before && !/\s$/.test(before) && completion.expects !== "value" ? " " : "";
  const head = before + blank + completion.options[place].text;
  const gap = after.startsWith(" ") ? "" : " ";
  return { text: head + gap + after, cursor: head.length + 1 };
}

/**
 * The option that an arrow leads to; -1 is none, which lies between the last and the first.
 * @param {number} count
 * @param {number} current
 * @param {1 | -1} step
 */
export function stepped(count, current, step) {
  if (!count) return -1;
  const at = current + step;
  if (current < 0) return step > 0 ? 0 : count - 1;
  return at < 0 || at >= count ? -1 : at;
}
