"""How the text of one setting becomes a value: durations, sizes, addresses, lists.

Every function takes what a flag, a variable or a TOML file gave, and raises ValueError (or
TypeError, OverflowError) with words that say what would fit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_UNITS = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
          "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}  # fmt: skip
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\s]*):([0-9]{1,5})")
LOG_LEVELS = ("debug", "info", "warning", "error")


def _scaled(value: Any, units: Mapping[str, float], noun: str) -> float:
    match = _NUMBER.fullmatch(str(value).strip())
    if isinstance(value, bool) or match is None or match[2].lower() not in units:
        raise ValueError(f"expected {noun}")
    return float(match[1]) * units[match[2].lower()]


def seconds(value: Any) -> float:
    """`5`, `0.5`, `500ms`, `10m`, `2h`, `7d`."""
    return _scaled(value, _UNITS, "seconds, or a number with ms, s, m, h or d")


def byte_count(value: Any) -> int:
    """`1000`, `64MiB`, `20GiB`, `5GB`."""
    return int(_scaled(value, _SIZES, "bytes, or a number with KiB, MiB, GiB, KB, MB or GB"))


def number(value: Any) -> float:
    """A finite number above zero."""
    result = float(value)
    if isinstance(value, bool) or not math.isfinite(result) or result <= 0:
        raise ValueError("expected a number above 0")
    return result


def count(value: Any) -> int:
    """A whole number above zero; `_` may group digits."""
    if isinstance(value, bool | float) or int(value) <= 0:
        raise ValueError("expected a whole number above 0")
    return int(value)


def truth(value: Any) -> bool:
    """`true`, `yes`, `on`, `1` and their opposites."""
    words = {"true": True, "yes": True, "on": True, "1": True,
             "false": False, "no": False, "off": False, "0": False, "": False}  # fmt: skip
    if str(value).lower() not in words:
        raise ValueError("expected true or false")
    return words[str(value).lower()]


def address(value: Any) -> str:
    """`host:port`; IPv6 hosts in brackets, port 0 takes a free one."""
    match = _ADDRESS.fullmatch(str(value).strip())
    if match is None or int(match[2]) > 65535 or not match[1]:
        raise ValueError("expected HOST:PORT, for example 127.0.0.1:4317 or [::1]:4317")
    return match[0]


def path(value: Any) -> Path:
    """A file or folder; `~` is the home directory."""
    if not str(value):
        raise ValueError("expected a path")
    return Path(str(value)).expanduser()


def text(value: Any) -> str:
    """Any text."""
    return str(value)


def names(value: Any) -> tuple[str, ...]:
    """Names separated by commas, or a TOML array."""
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    return tuple(str(part).strip() for part in parts if str(part).strip())


def label_pairs(value: Any) -> tuple[tuple[str, str], ...]:
    """`name=value` pairs separated by commas, or a TOML table."""
    if isinstance(value, dict):
        return tuple((str(name), str(text)) for name, text in value.items())
    pairs = [part.partition("=") for part in names(value)]
    if any(not name.strip() or not sign for name, sign, _ in pairs):
        raise ValueError("expected NAME=VALUE pairs separated by commas")
    return tuple((name.strip(), text.strip()) for name, _, text in pairs)


def urls(value: Any) -> tuple[str, ...]:
    """Addresses separated by commas, or a TOML array."""
    return tuple(url(one) for one in names(value))


def log_level(value: Any) -> str:
    """One of LOG_LEVELS."""
    if str(value).lower() not in LOG_LEVELS:
        raise ValueError(f"expected one of {', '.join(LOG_LEVELS)}")
    return str(value).lower()


def url(value: Any) -> str:
    """`http://host:port`; a bare `host:port` means http."""
    result = str(value).rstrip("/")
    if "://" not in result:
        result = f"http://{result}"
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", result):
        raise ValueError("expected an address such as http://127.0.0.1:4319")
    return result
