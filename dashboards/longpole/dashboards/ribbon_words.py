"""What is written into a piece of the time ribbon, and from which width of the page on.

The ribbon is as wide as the page, which the server does not know: each word says how wide the page
must be for it, and the style sheet shows it from there on. The number goes before the name does.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from longpole.dashboards import figures
from longpole.dashboards.inert_text import inert

# Width of the ribbon in pixels, and the class of what is shown from there on (css/trace.css).
STEPS = ((340, ""), (600, "from-40"), (900, "from-60"), (1340, "from-90"))
_PADDING_PX, _LETTER_PX, _WIDE_LETTER_PX = 10, 7.5, 12.5
_LEAST_LETTERS = 4


@dataclass(frozen=True, slots=True)
class RibbonWords:
    """`name_class` and `number_class` are classes of the style sheet ("" for any width); an empty
    word is not written."""

    name: str = ""
    name_class: str = ""
    number: str = ""
    number_class: str = ""


def ribbon_words(service: str, share: float) -> RibbonWords:
    """The words of a piece that is `share` of the ribbon. A name that fits into none is cut."""
    name, number = inert(service[:200]), figures.share(share)
    from_width = _class_of(_pixels(name), share)
    if from_width is None:
        name = _cut(name, STEPS[-1][0] * share - _PADDING_PX)
        return RibbonWords(name, STEPS[-1][1]) if name else RibbonWords()
    number_from = _class_of(_pixels(f"{name} {number}"), share)
    if number_from is None:
        return RibbonWords(name, from_width)
    return RibbonWords(name, from_width, number, number_from)


def _class_of(pixels: float, share: float) -> str | None:
    for width, name in STEPS:
        if pixels + _PADDING_PX <= width * share:
            return name
    return None


def _pixels(text: str) -> float:
    return sum(map(_letter_pixels, text))


def _letter_pixels(letter: str) -> float:
    is_wide = unicodedata.east_asian_width(letter) in "WF"
    return _WIDE_LETTER_PX if is_wide else _LETTER_PX


def _cut(text: str, pixels: float) -> str:
    """As much of the text as has room beside an ellipsis; nothing where that is hardly any."""
    room, kept = pixels - _LETTER_PX, 0
    while kept < len(text) and room >= _letter_pixels(text[kept]):
        room -= _letter_pixels(text[kept])
        kept += 1
    return text[:kept] + "…" if kept >= _LEAST_LETTERS else ""
