// @ts-check
// The search page: completion in the query, the picture, marks for comparing, keys.

import "../list_keys.js";
import { combobox } from "./combobox.js";
import { marks } from "./marks.js";
import { scatter } from "./scatter.js";

const input = /** @type {HTMLInputElement | null} */ (document.querySelector("#ask"));
if (input) {
  combobox(input);
  const place = input.dataset.errorAt;
  if (place !== undefined) {
    input.focus();
    input.setSelectionRange(Number(place), Number(place) + 1);
  }
}
const figure = /** @type {HTMLElement | null} */ (document.querySelector(".scatter"));
if (figure) void scatter(figure);
marks();
for (const facet of document.querySelectorAll(".facets details")) {
  if (matchMedia("(max-width: 60rem)").matches) facet.removeAttribute("open");
}
