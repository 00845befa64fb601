"""The thresholds of the detectors as settings: a TOML table, and a variable for each.

[thresholds]
slow_db_query_ns = "200ms"      # or nanoseconds as a whole number
fanout_saving_share = "20 %"    # or a number from 0 to 1
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeAlias

from longpole.analyzer.findings.thresholds import Thresholds

TABLE = "thresholds"
NAMES = tuple(field.name for field in fields(Thresholds))
_DEFAULTS = Thresholds()
_NANOS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_BYTES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-zµ%]*)")
_MOST = 1 << 62

_Parse: TypeAlias = Callable[[Any], int | float]


def variable_of(name: str) -> str:
    """For example `LONGPOLE_THRESHOLD_SLOW_DB_QUERY_NS`."""
    return "LONGPOLE_THRESHOLD_" + name.upper()


VARIABLES = frozenset(map(variable_of, NAMES))


def thresholds_of(env: Mapping[str, str], table: Any, file: str) -> Thresholds:
    """The thresholds that environment and file give, else the defaults.

    `table` is what the file has under `[thresholds]`, None without one. Raises ValueError with
    a message that names the source, for a value that does not fit and a name that is unknown.
    """
    if table is not None and not isinstance(table, dict):
        raise ValueError(f"{TABLE} in {file}: expected a table, [{TABLE}]")
    given: Mapping[str, Any] = table or {}
    for name in given:
        if name not in NAMES:
            close = difflib.get_close_matches(str(name), NAMES, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"{file}: there is no threshold {name!r}{hint}")
    values: dict[str, Any] = {}
    for name in NAMES:
        if env.get(variable_of(name)):
            source, raw = variable_of(name), env[variable_of(name)]
        elif name in given:
            source, raw = f"{TABLE}.{name} in {file}", given[name]
        else:
            continue
        try:
            values[name] = parser_of(name)(raw)
        except (ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"{source}: {str(raw)[:80]!r} does not fit: {error}") from None
    return Thresholds(**values)


def parser_of(name: str) -> _Parse:
    """How a threshold is read: its unit is the end of its name."""
    if name.endswith("_ns"):
        return _nanoseconds
    if name.endswith("_bytes"):
        return _byte_count
    if name.endswith(("_share", "_chance")):
        return _share
    return _ratio if isinstance(getattr(_DEFAULTS, name), float) else _count


def _scaled(value: Any, units: Mapping[str, int], words: str) -> int:
    match = _NUMBER.fullmatch(str(value).strip())
    if isinstance(value, bool) or match is None or (match[2] and match[2].lower() not in units):
        raise ValueError(f"expected {words}")
    scale = units[match[2].lower()] if match[2] else 1
    if not match[2] and "." in match[1]:
        raise ValueError(f"expected {words}")
    result = round(float(match[1]) * scale) if "." in match[1] else int(match[1]) * scale
    if result > _MOST:
        raise ValueError("that is too much")
    return result


def _nanoseconds(value: Any) -> int:
    return _scaled(value, _NANOS, "nanoseconds, or a number with us, ms, s, m or h")


def _byte_count(value: Any) -> int:
    return _scaled(value, _BYTES, "bytes, or a number with kB, MB, KiB or MiB")


def _share(value: Any) -> float:
    match = _NUMBER.fullmatch(str(value).strip())
    if isinstance(value, bool) or match is None or match[2] not in ("", "%"):
        raise ValueError("expected a number from 0 to 1, or a percentage")
    share = float(match[1]) / (100 if match[2] else 1)
    if share > 1:
        raise ValueError("expected a number from 0 to 1, or a percentage")
    return share


def _ratio(value: Any) -> float:
    if isinstance(value, bool) or not math.isfinite(float(value)) or float(value) <= 0:
        raise ValueError("expected a number above 0")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool | float) or int(value) <= 0:
        raise ValueError("expected a whole number above 0")
    return int(value)
