// @ts-check
// The card next to the pointer.

import { element } from "./dom.js";

const AWAY_PX = 14;

/** @param {HTMLElement} host @returns {import("./shared.js").Shared["hint"]} */
export function hintCard(host) {
  const card = element("div", { class: "hint", hidden: true, "aria-hidden": "true" });
  host.append(card);
  return (x, y, lines) => {
    card.hidden = !lines;
    if (!lines) return;
    card.replaceChildren(...lines.map(({ text, isMuted }) => element("div", { text, class: isMuted ? "muted" : undefined })));
    const { width, height } = card.getBoundingClientRect();
    const left = x + AWAY_PX + width > innerWidth ? Math.max(4, x - AWAY_PX - width) : x + AWAY_PX;
    const top = y + AWAY_PX + height > innerHeight ? y - AWAY_PX - height : y + AWAY_PX;
    card.style.transform = `translate(${Math.round(left)}px, ${Math.round(Math.max(4, top))}px)`;
  };
}
