"""Functions of instant vectors: values one by one, dates, labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from longpole.analyzer.promql.refusals import EvaluationError
from longpole.analyzer.promql.selectors import compiled
from longpole.analyzer.promql.series import Floats, Labels, labels_of
from longpole.analyzer.promql.vectors import Vector, nameless, relabelled

_Each = Callable[[Floats], Floats]
EACH: dict[str, _Each] = {
    "abs": np.abs, "acos": np.arccos, "acosh": np.arccosh, "asin": np.arcsin,
    "asinh": np.arcsinh, "atan": np.arctan, "atanh": np.arctanh, "ceil": np.ceil, "cos": np.cos,
    "cosh": np.cosh, "deg": lambda v: v * 180 / np.pi, "exp": np.exp, "floor": np.floor,
    "ln": np.log, "log10": np.log10, "log2": np.log2, "rad": lambda v: v * np.pi / 180,
    "sgn": np.sign, "sin": np.sin, "sinh": np.sinh, "sqrt": np.sqrt, "tan": np.tan,
    "tanh": np.tanh,
}  # fmt: skip
_SECONDS_OF_DAY = 86_400
# In characters, of what `label_replace` and `label_join` make.
LONGEST_VALUE = 65_536


def each(name: str, vector: Vector) -> Vector:
    """A function of one value."""
    with np.errstate(all="ignore"):
        return nameless(vector.with_values(EACH[name](vector.values)))


def clamped(vector: Vector, low: Floats, high: Floats) -> Vector:
    """Values within bounds; nothing at all where the bounds cross."""
    values = np.maximum(low, np.minimum(high, vector.values))
    return nameless(vector.with_values(values, vector.present & ~(low > high)))


def rounded(vector: Vector, nearest: Floats) -> Vector:
    """To the nearest multiple, halves up; as Prometheus does, by its inverse."""
    with np.errstate(all="ignore"):
        inverse = 1.0 / nearest
        return nameless(vector.with_values(np.floor(vector.values * inverse + 0.5) / inverse))


def _days(values: Floats) -> Floats:
    return np.floor_divide(np.trunc(values), _SECONDS_OF_DAY)


def _calendar(values: Floats, unit: str) -> np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]:
    # Beyond these years a date means nothing, and NumPy would wrap around.
    days = np.clip(np.nan_to_num(_days(values)), -(10**8), 10**8).astype(np.int64)
    return np.asarray(days.astype("datetime64[D]").astype(f"datetime64[{unit}]"))


def _day_of(values: Floats, unit: str) -> Floats:
    days = _calendar(values, "D")
    begin = days.astype(f"datetime64[{unit}]").astype("datetime64[D]")
    return np.asarray((days - begin).astype(np.float64) + 1)


def _days_in_month(values: Floats) -> Floats:
    month = _calendar(values, "M")
    following = (month + 1).astype("datetime64[D]")
    return np.asarray((following - month.astype("datetime64[D]")).astype(np.float64))


OF_DATE: dict[str, _Each] = {
    "day_of_month": lambda v: _day_of(v, "M"),
    "day_of_week": lambda v: np.mod(_days(v) + 4, 7),
    "day_of_year": lambda v: _day_of(v, "Y"),
    "days_in_month": _days_in_month,
    "hour": lambda v: np.floor_divide(np.mod(np.trunc(v), _SECONDS_OF_DAY), 3600),
    "minute": lambda v: np.floor_divide(np.mod(np.trunc(v), 3600), 60),
    "month": lambda v: np.mod(_calendar(v, "M").astype(np.int64), 12).astype(np.float64) + 1,
    "year": lambda v: _calendar(v, "Y").astype(np.int64).astype(np.float64) + 1970,
}


def date_part(name: str, vector: Vector) -> Vector:
    """A part of the UTC date of values that are Unix seconds."""
    with np.errstate(all="ignore"):
        parts = np.where(np.isnan(vector.values), np.nan, OF_DATE[name](vector.values))
    return nameless(vector.with_values(parts))


def label_replaced(vector: Vector, to: str, template: str, source: str, regex: str) -> Vector:
    """`label_replace`: where the regex matches the whole source label, the target label becomes
    the template; an empty one goes away."""
    import re2

    try:
        pattern = compiled(regex)
    except re2.error:
        raise EvaluationError(
            f"invalid regular expression in label_replace(): {regex[:200]}"
        ) from None
    if not to:
        raise EvaluationError('invalid destination label name in label_replace(): ""')
    pieces = _template(template)

    def change(labels: Labels) -> Labels:
        held = dict(labels)
        match = pattern.fullmatch(held.get(source, ""))
        if match is None:
            return labels
        return labels_of({**held, to: _bounded([_filled(piece, match) for piece in pieces])})

    return relabelled(vector, change)


def _bounded(pieces: list[str], separator: str = "") -> str:
    """Pieces joined. Calls inside of calls could double a value again and again."""
    if sum(map(len, pieces)) + len(separator) * (len(pieces) - 1) > LONGEST_VALUE:
        raise EvaluationError(
            f"the query makes a label value longer than {LONGEST_VALUE:,} characters"
        )
    return separator.join(pieces)


def _template(text: str) -> list[tuple[bool, str]]:
    """Pieces of a Go template: (is it a group, its text or name)."""
    found: list[tuple[bool, str]] = []
    last = 0
    for match in re.finditer(r"\$(?:(\$)|(\w+)|\{(\w+)\})", text, re.ASCII):
        found.append((False, text[last : match.start()]))
        found.append((False, "$") if match[1] else (True, match[2] or match[3]))
        last = match.end()
    return [*found, (False, text[last:])]


def _filled(piece: tuple[bool, str], match: object) -> str:
    is_group, text = piece
    if not is_group:
        return text
    groups = match.groups()  # type: ignore[attr-defined]
    if text.isdigit():
        number = int(text)
        if number == 0:
            return str(match.group(0))  # type: ignore[attr-defined]
        return (groups[number - 1] or "") if number <= len(groups) else ""
    return match.groupdict().get(text) or ""  # type: ignore[attr-defined]


def label_joined(vector: Vector, to: str, separator: str, sources: Sequence[str]) -> Vector:
    """`label_join`: the values of some labels in one."""
    if not to:
        raise EvaluationError('invalid destination label name in label_join(): ""')

    def change(labels: Labels) -> Labels:
        held = dict(labels)
        return labels_of({**held, to: _bounded([held.get(n, "") for n in sources], separator)})

    return relabelled(vector, change)
