"""Numbers as people read them: durations, shares, sizes, moments."""

from __future__ import annotations

import math

from longpole.model.columns import RED_BOUNDS_NS

_S = 10**9
_DURATION_UNITS = (
    (36_000 * _S, 3600 * _S, "h"),
    (600 * _S, 60 * _S, "min"),
    (_S, _S, "s"),
    (10**6, 10**6, "ms"),
    (10**3, 10**3, "µs"),
)


def duration(nanoseconds: int) -> str:
    """`1.91 s`, `29.6 ms`, `410 µs`, `17 ns`; three significant digits. Minutes and hours
    only begin where seconds become hard to read."""
    for least, scale, unit in _DURATION_UNITS:
        if abs(nanoseconds) >= least:
            value = nanoseconds / scale
            digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
            shown = f"{value:.{digits}f}"
            return f"{shown.rstrip('0').rstrip('.') if '.' in shown else shown} {unit}"
    return f"{nanoseconds} ns"


def signed_duration(nanoseconds: int) -> str:
    """`+1.2 ms`, `−3 µs`, `0 ns`."""
    sign = "+" if nanoseconds > 0 else "−" if nanoseconds < 0 else ""
    return sign + duration(abs(nanoseconds))


def count(value: float) -> str:
    """`48`, or `1.3` for a mean of several traces."""
    return f"{value:,.0f}" if value == int(value) or value >= 10 else f"{value:.2g}"


def share(part: float) -> str:
    """A share from 0 to 1 as a percentage; small ones do not become 0 %."""
    percent = part * 100
    if not percent:
        return "0 %"
    if 0 < percent < 0.1:
        return "<0.1 %"
    # Halves go up, as in the browser: one share is one number on all of a page.
    if percent < 10:
        return f"{math.floor(percent * 10 + 0.5) / 10:.1f} %"
    return f"{math.floor(percent + 0.5)} %"


def rate(per_second: float) -> str:
    """`12/s`, `3.4/s`, `2.1/min`, `5.0/h`, `0.7/d`: two digits that count."""
    if not per_second:
        return "0/s"
    for scale, unit in ((1, "s"), (60, "min"), (3600, "h"), (86_400, "d")):
        value = per_second * scale
        if value >= 1 or unit == "d":
            return f"{value:,.0f}/{unit}" if value >= 10 else f"{value:.1f}/{unit}"
    return ""


def size(count: int) -> str:
    """Bytes as `1.2 GiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def moment(unix_nano: int) -> str:
    """UTC to the millisecond; times outside of the calendar stay numbers."""
    from datetime import UTC, datetime

    try:
        at = datetime.fromtimestamp(unix_nano // 10**9, UTC)
    except (OverflowError, ValueError, OSError):
        return str(unix_nano)
    return f"{at:%Y-%m-%d %H:%M:%S}.{unix_nano // 10**6 % 1000:03d}"


def plural(count: int, noun: str, many: str = "") -> str:
    """`1 span`, `2 spans`, `1,000 traces`."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def ago(nanoseconds: int) -> str:
    """How long something has been over: `12 s ago`, `3 min ago`; `now` within a second, and for
    what a wrong clock puts into the future `in 3 min`."""
    seconds = abs(nanoseconds) // _S
    if seconds < 1:
        return "now"
    for least, unit in ((172_800, "d"), (7200, "h"), (120, "min"), (1, "s")):
        if seconds >= least:
            scale = {"d": 86_400, "h": 3600, "min": 60, "s": 1}[unit]
            shown = f"{seconds // scale} {unit}"
            break
    return f"{shown} ago" if nanoseconds > 0 else f"in {shown}"


def quantile(nanoseconds: int | None) -> str:
    """A quantile of a RED histogram; None lies beyond its last bound."""
    return f"> {duration(RED_BOUNDS_NS[-1])}" if nanoseconds is None else duration(nanoseconds)


def delta(ratio: float | None) -> str:
    """How much something grew: `+3 %`, `−40 %`, `3.1×`; empty for what is unknown."""
    if ratio is None:
        return ""
    if ratio >= 1:
        return f"{ratio + 1:.1f}×"
    percent = round(ratio * 100)
    return "±0 %" if not percent else f"{'+' if percent > 0 else '−'}{abs(percent)} %"


def points(difference: float | None) -> str:
    """The difference of two shares in percentage points."""
    if difference is None:
        return ""
    shown = f"{abs(difference) * 100:.1f}"
    return "±0" if shown == "0.0" else f"{'+' if difference > 0 else '−'}{shown}"


def kind(numbers: list[int]) -> str:
    """The kinds of the spans of an operation in words; unknown numbers as they are."""
    names = ("", "internal", "server", "client", "producer", "consumer")
    return ", ".join(names[n] if 0 <= n < len(names) else str(n) for n in numbers if n)
