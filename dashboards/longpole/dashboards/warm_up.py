"""Warm-up: what the first reader of a page would otherwise wait for is done behind the start.

Measured, four fifths of the first trace page went into compiling its templates; most of the rest
of the first overview into imports that wait for the first table to be sorted.
"""

from __future__ import annotations

from collections.abc import Callable

from longpole.dashboards.pages.rendering import compile_template, template_names

# Where people land first.
FIRST = ("trace.html", "overview.html", "traces.html")


def warm_up(pause: Callable[[], bool]) -> int:
    """Compile every template, those of `FIRST` first; how many. `pause` is called between two of
    them, so that data and readers get their turn, and says whether to stop."""
    import pyarrow.acero  # noqa: F401  (sorting and grouping tables import it when first called)

    names = sorted(template_names(), key=lambda name: (name not in FIRST, name))
    done = 0
    for name in names:
        if pause():
            break
        compile_template(name)
        done += 1
    return done
