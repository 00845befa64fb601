"""Limits of fault parameters: how far each may be turned before it is no longer that fault.

A parameter is known by its unit, the end of its name, so that a new fault has limits from the
start: without one its numbers would be believed by every service at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from shop.chassis.errors import Invalid


@dataclass(frozen=True, slots=True)
class Limits:
    """From `least` to `most`, both allowed; `is_whole`: no fractions."""

    least: float
    most: float
    is_whole: bool = False


# The first ending that fits.
_BY_ENDING: tuple[tuple[str, Limits], ...] = (
    ("every_seconds", Limits(0.1, 600)),
    ("requests_per_second", Limits(0, 1000)),
    ("rows_per_second", Limits(0, 1_000_000, is_whole=True)),
    ("megabytes_per_second", Limits(0.1, 100_000)),
    ("logs_per_request", Limits(0, 1000, is_whole=True)),
    ("attempts", Limits(1, 20, is_whole=True)),
    ("connections", Limits(0, 100, is_whole=True)),
    ("share", Limits(0, 1)),
    ("milliseconds", Limits(0, 60_000)),
    ("seconds", Limits(0, 60)),
)


def limits_of(parameter: str) -> Limits:
    """Raises LookupError for a parameter whose name has no unit that is known."""
    unit = parameter.partition("_per_")[0]
    for name in (parameter, unit):
        for ending, limits in _BY_ENDING:
            if name.endswith(ending):
                return limits
    raise LookupError(f"the parameter {parameter} has no limits")


def checked(parameter: str, value: object) -> int | float:
    """The value as a number within the limits of the parameter; numbers may come as text. Raises
    `Invalid`."""
    try:
        # JSON's true is no 1 here.
        number = float("none" if isinstance(value, bool) else value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise Invalid(f"{parameter} is {str(value)[:50]!r}, not a number") from None
    limits = limits_of(parameter)
    if not limits.least <= number <= limits.most:
        raise Invalid(f"{parameter} is {number:g}, not from {limits.least:g} to {limits.most:g}")
    if limits.is_whole and not number.is_integer():
        raise Invalid(f"{parameter} is {number:g}, not a whole number")
    return int(number) if limits.is_whole else number
