"""Numbers for people, as the template functions of Prometheus write them."""

from __future__ import annotations

import math
import re

from longpole.analyzer.alerting.go_values import GoDuration, GoTime, Value, shortest, type_name
from longpole.analyzer.alerting.template_nodes import TemplateError

_ABOVE = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_BELOW = ("m", "u", "n", "p", "f", "a", "z", "y")
_ABOVE_1024 = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_GO_FLOAT = re.compile(
    r"[+-]?(?:inf(?:inity)?|nan|(?:[0-9]+(?:_[0-9]+)*\.?[0-9_]*|\.[0-9_]+)(?:e[+-]?[0-9]+)?)", re.I
)


def number_of(value: Value) -> float:
    """A number given as a number or as text. Raises `TemplateError`."""
    if isinstance(value, str):
        if not _GO_FLOAT.fullmatch(value):
            raise TemplateError(f'strconv.ParseFloat: parsing "{value}": invalid syntax')
        return float(value)
    if isinstance(value, GoDuration):
        return value.ns / 1e9
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TemplateError(f"can't convert {type_name(value)} to float")
    return float(value)


def four_digits(value: float) -> str:
    """Go's `%.4g`."""
    if math.isfinite(value):
        return f"{value:.4g}"
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def humanize(value: Value) -> str:
    """`1.234k`, `12.5m`: metric prefixes."""
    number = number_of(value)
    if number == 0 or not math.isfinite(number):
        return four_digits(number)
    if abs(number) >= 1:
        return _scaled(number, 1000, _ABOVE)
    return _shrunk(number)


def humanize_1024(value: Value) -> str:
    """`1.5Ki`-like prefixes of 1024, as Prometheus spells them."""
    number = number_of(value)
    if abs(number) <= 1 or not math.isfinite(number):
        return four_digits(number)
    return _scaled(number, 1024, _ABOVE_1024)


def _scaled(number: float, base: int, prefixes: tuple[str, ...]) -> str:
    prefix = ""
    for one in prefixes:
        if abs(number) < base:
            break
        prefix, number = one, number / base
    return four_digits(number) + prefix


def _shrunk(number: float) -> str:
    prefix = ""
    for one in _BELOW:
        if abs(number) >= 1:
            break
        prefix, number = one, number * 1000
    return four_digits(number) + prefix


def humanize_duration(value: Value) -> str:
    """Seconds as `1d 2h 3m 4s`, `12.5ms`."""
    number = number_of(value)
    if not math.isfinite(number):
        return four_digits(number)
    if number == 0:
        return "0s"
    if abs(number) < 1:
        return f"{_shrunk(number)}s"
    sign, number = ("-", -number) if number < 0 else ("", number)
    whole = min(int(number), 2**63 - 1)
    seconds, minutes = whole % 60, whole // 60 % 60
    hours, days = whole // 3600 % 24, whole // 86400
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    if minutes:
        return f"{sign}{minutes}m {seconds}s"
    return f"{sign}{four_digits(number)}s"


def humanize_percentage(value: Value) -> str:
    """A ratio in percent."""
    return f"{four_digits(number_of(value) * 100)}%"


def humanize_timestamp(value: Value) -> str:
    """Unix seconds as a time in UTC."""
    number = number_of(value)
    return str(time_of(value)) if math.isfinite(number) else four_digits(number)


def time_of(value: Value) -> GoTime:
    """Unix seconds as a `time.Time`."""
    number = number_of(value)
    if not math.isfinite(number):
        raise TemplateError("value is NaN or Inf")
    if not -(2**63) <= number * 1e9 <= 2**63 - 1:
        raise TemplateError(
            f"{shortest(number)} cannot be represented as a nanoseconds timestamp"
            " since it overflows int64"
        )
    ns = int(number * 1e9)
    return GoTime(int(math.copysign(abs(ns) // 1_000_000, ns)))


def duration_of_seconds(value: Value) -> GoDuration:
    """Seconds as a `time.Duration`."""
    number = number_of(value)
    if not math.isfinite(number):
        raise TemplateError("value is NaN or Inf")
    if not -(2**63) <= number * 1e9 <= 2**63 - 1:
        raise TemplateError(
            f"{shortest(number)} cannot be represented as a duration since it overflows int64"
        )
    return GoDuration(int(number * 1e9))
