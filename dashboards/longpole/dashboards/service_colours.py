"""The colour of a service, the same on every page and for every reader.

Storage numbers services as they first appear (`TraceReader.service_colours`), so the first
`COLOURS` services of a store never share a colour. Later ones repeat a colour with a hatch.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

COLOURS = 16


def colour_index(service: str, numbers: Mapping[str, int]) -> int:
    """0 to 15, for `--c0` to `--c15`; for a service without a number by its name alone."""
    number = numbers.get(service)
    if number is None:
        number = zlib.crc32(service.encode("utf-8", "replace"))
    return number % COLOURS


def is_hatched(service: str, numbers: Mapping[str, int]) -> bool:
    """Whether another service may have the same colour, so that a hatch tells them apart."""
    number = numbers.get(service)
    return number is not None and number // COLOURS % 2 == 1


def colour_class(service: str, numbers: Mapping[str, int]) -> str:
    """What follows the `c` of a CSS class: `3`, or `3 hatch`."""
    hatch = " hatch" if is_hatched(service, numbers) else ""
    return f"{colour_index(service, numbers)}{hatch}"
