"""What a reader has in front of the eyes without touching anything: the answer, or nothing of it.

`PROBE` runs before a page's own scripts. On every frame it looks for the first answer of the
verdict (or the first finding of the findings page) and notes when all of its parts were first
inside of the window, in milliseconds since the navigation began.
"""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Page

PROBE = """(() => {
  const isInside = (e) => {
    const at = e.getBoundingClientRect();
    return at.width > 0 && at.top >= 0 && at.bottom <= innerHeight
      && at.left >= 0 && at.right <= innerWidth + 1;
  };
  window.__lp_answer = null;
  const look = () => {
    const article = document.querySelector("main .verdict article, main article.entry");
    if (article) {
      const parts = [...article.children].filter((e) => /^(Where|Why|Do)\\b/i.test(
        e.textContent.trim()));
      if (parts.length >= 3) {
        window.__lp_answer = { ms: window.__lp_answer?.ms ?? null,
          isInside: parts.every(isInside), text: article.innerText,
          isUsual: /nothing unusual/i.test(article.closest("section")?.innerText ?? ""),
          bottom: Math.max(...parts.map((e) => e.getBoundingClientRect().bottom)) };
        if (window.__lp_answer.isInside) {
          window.__lp_answer.ms = performance.now();
          return;
        }
      }
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})()"""


@dataclass(frozen=True, slots=True)
class Answer:
    """The first answer of a page. `ms` is None when it never was inside of the window as a
    whole; `bottom` is how far down it reaches, in pixels."""

    text: str
    is_usual: bool
    is_inside: bool
    ms: float | None
    bottom: float

    def names(self, *words: str) -> list[str]:
        """Those of `words` that it does not name."""
        said = self.text.casefold()
        return [word for word in words if word.casefold() not in said]


def first_answer(page: Page) -> Answer | None:
    """What the probe saw until now; None when there is no answer on the page."""
    seen = page.evaluate("() => window.__lp_answer")
    if seen is None:
        return None
    return Answer(seen["text"], seen["isUsual"], seen["isInside"], seen["ms"], seen["bottom"])
