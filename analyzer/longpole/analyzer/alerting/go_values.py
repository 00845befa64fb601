"""Values of Go templates in Python, and how Go prints them.

string str · bool bool · int int · float64 float · nil None · map dict · slice list
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Value: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of the result of `query`: `.Labels` and `.Value`."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class AlertData:
    """`.` of an alert's templates. A native histogram is its text there."""

    labels: dict[str, str]
    external_labels: dict[str, str]
    external_url: str
    value: float | str


class AnyMap(dict[str, Value]):
    """A map whose values are of any type: what is missing is nothing, not an empty string."""


@dataclass(frozen=True, slots=True)
class GoDuration:
    """A `time.Duration`, in nanoseconds."""

    ns: int

    def __str__(self) -> str:
        if self.ns == 0:
            return "0s"
        sign, ns = ("-", -self.ns) if self.ns < 0 else ("", self.ns)
        for unit, scale in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
            if ns < scale * 1_000 and ns < 1_000_000_000:
                return f"{sign}{_decimal(ns, scale)}{unit}"
        minutes, rest = divmod(ns, 60_000_000_000)
        hours, minutes = divmod(minutes, 60)
        shown = f"{_decimal(rest, 1_000_000_000)}s"
        if hours:
            return f"{sign}{hours}h{minutes}m{shown}"
        return f"{sign}{minutes}m{shown}" if minutes else f"{sign}{shown}"


def _decimal(count: int, scale: int) -> str:
    whole, part = divmod(count, scale)
    digits = f"{part:0{len(str(scale)) - 1}d}".rstrip("0") if part else ""
    return f"{whole}.{digits}" if digits else str(whole)


@dataclass(frozen=True, slots=True)
class GoTime:
    """A `time.Time` in UTC, in Unix milliseconds."""

    ms: int

    def __str__(self) -> str:
        # Years beyond Python's calendar are shown as their count of milliseconds.
        try:
            moment = self.moment
        except OverflowError:
            return f"{self.ms}ms"
        part = f".{self.ms % 1000:03d}".rstrip("0") if self.ms % 1000 else ""
        return f"{moment:%Y-%m-%d %H:%M:%S}{part} +0000 UTC"

    @property
    def moment(self) -> datetime.datetime:
        """The same in Python; raises OverflowError."""
        start = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
        return start + datetime.timedelta(milliseconds=self.ms)


_LAYOUT = {
    "2006": "%Y", "January": "%B", "Monday": "%A", "Jan": "%b", "Mon": "%a", "MST": "UTC",
    "-07:00": "+00:00", "Z07:00": "Z", "-0700": "+0000", "01": "%m", "02": "%d", "15": "%H",
    "03": "%I", "04": "%M", "05": "%S", "06": "%y", "PM": "%p",
}  # fmt: skip


def formatted_time(time: GoTime, layout: str) -> str:
    """`time.Time.Format` for the elements that Go's own layouts are made of."""
    found, at = [], 0
    while at < len(layout):
        for element, code in _LAYOUT.items():
            if layout.startswith(element, at):
                found.append(time.moment.strftime(code) if code[0] == "%" else code)
                at += len(element)
                break
        else:
            if layout.startswith(".000", at):
                found.append(f".{time.ms % 1000:03d}")
                at += 4
            else:
                found.append(layout[at])
                at += 1
    return "".join(found)


METHODS: Mapping[tuple[type, str], Any] = {
    (GoTime, "Format"): formatted_time,
    (GoTime, "String"): str,
    (GoTime, "Unix"): lambda time: time.ms // 1000,
    (GoTime, "UnixMilli"): lambda time: time.ms,
    (GoTime, "Year"): lambda time: time.moment.year,
    (GoTime, "Day"): lambda time: time.moment.day,
    (GoTime, "Hour"): lambda time: time.moment.hour,
    (GoTime, "Minute"): lambda time: time.moment.minute,
    (GoTime, "Second"): lambda time: time.moment.second,
    (GoTime, "YearDay"): lambda time: time.moment.timetuple().tm_yday,
    (GoTime, "Month"): lambda time: time.moment.strftime("%B"),
    (GoTime, "Weekday"): lambda time: time.moment.strftime("%A"),
    (GoTime, "UTC"): lambda time: time,
    (GoDuration, "String"): str,
    (GoDuration, "Seconds"): lambda length: length.ns / 1e9,
    (GoDuration, "Minutes"): lambda length: length.ns / 60e9,
    (GoDuration, "Hours"): lambda length: length.ns / 3600e9,
    (GoDuration, "Milliseconds"): lambda length: int(length.ns / 1e6),
    (GoDuration, "Nanoseconds"): lambda length: length.ns,
}


def type_name(value: Value) -> str:
    """As Go's `%T` says it."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case str():
            return "string"
        case int():
            return "int"
        case float():
            return "float64"
        case AnyMap():
            return "map[string]interface {}"
        case dict():
            return "map[string]string"
        case list():
            return "template.queryResult"
        case Sample():
            return "*template.sample"
        case AlertData():
            return (
                "struct { Labels map[string]string; ExternalLabels map[string]string;"
                " ExternalURL string; Value interface {} }"
            )
        case GoTime():
            return "*time.Time"
        case GoDuration():
            return "*time.Duration"
    return type(value).__name__


def is_true(value: Value) -> bool:
    """What `if` takes for true: anything but the zero of its type."""
    if isinstance(value, Sample | GoTime | AlertData):
        return True
    if isinstance(value, GoDuration):
        return value.ns != 0
    return bool(value)


def shortest(value: float) -> str:
    """A number as `%v` prints it: an exponent below 1e-4 and from 1e6 on."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    digits, exponent = _digits(value)
    sign = "-" if value < 0 else ""
    if exponent < -4 or exponent >= 6:
        return f"{sign}{digits[0]}{'.' if len(digits) > 1 else ''}{digits[1:]}e{_signed(exponent)}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    if len(digits) <= exponent + 1:
        return f"{sign}{digits}{'0' * (exponent + 1 - len(digits))}"
    return f"{sign}{digits[: exponent + 1]}.{digits[exponent + 1 :]}"


def _signed(exponent: int) -> str:
    return f"{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _digits(value: float) -> tuple[str, int]:
    """The shortest digits that read back as the number, and its decimal exponent."""
    mantissa, _, exponent = f"{abs(value):e}".partition("e")
    for precision in range(17):
        mantissa, _, exponent = f"{abs(value):.{precision}e}".partition("e")
        if float(f"{mantissa}e{exponent}") == abs(value):
            break
    return mantissa.replace(".", "").rstrip("0") or "0", int(exponent)


def printed(value: Value) -> str:
    """As an action, or `%v`, prints it."""
    match value:
        case None:
            return "<no value>"
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case float():
            return shortest(value)
        case dict():
            pairs = " ".join(f"{key}:{_inner(value[key])}" for key in sorted(value))
            return f"map[{pairs}]"
        case list():
            return f"[{' '.join(map(_inner, value))}]"
        case Sample():
            return f"{{{printed(dict(value.labels))} {printed(value.value)}}}"
        case AlertData():
            inner = (value.labels, value.external_labels, value.external_url, value.value)
            return f"{{{' '.join(printed(one) for one in inner)}}}"
    return str(value)


def _inner(value: Value) -> str:
    if value is None:
        return "<nil>"
    return f"&{printed(value)}" if isinstance(value, Sample) else printed(value)
