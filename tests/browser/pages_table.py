"""Every page of the web UI with an address that has something to show."""

from __future__ import annotations

from dataclasses import dataclass

from tests.browser.shop_stories import Told


@dataclass(frozen=True, slots=True)
class PageCase:
    """One page. `reads_without_scripts`: its content is in the HTML."""

    name: str
    path: str
    reads_without_scripts: bool = True


def page_cases(story: Told) -> tuple[PageCase, ...]:
    """The table, for a site that has this trace; services and operations are its own."""
    return (
        PageCase("search", "/traces"),
        PageCase("trace", f"/traces/{story.hex}"),
    )
