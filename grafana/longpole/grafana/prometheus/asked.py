"""Parameters of a request as Prometheus reads them (web/api/v1/api.go, 3.5)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from longpole.analyzer.promql.expressions import Matcher
from longpole.analyzer.promql.query import LONGEST_QUERY, parse_selector
from longpole.analyzer.promql.refusals import QueryError
from longpole.analyzer.promql.tokens import duration_ms
from longpole.grafana.prometheus.refusals import BadData, bad_parameter

# What int64 nanoseconds can say: the years 1677 to 2262.
EARLIEST_MS = -9_223_372_036_854
LATEST_MS = 9_223_372_036_854
# Further away than anybody means; milliseconds that were taken for seconds are still nearer.
_FURTHEST_MS = 2**53
MOST_FIELDS = 10_000
# A shorter text than this is shown whole in an error.
_SHOWN = 200
_ANYTHING = "match[] must contain at least one non-empty matcher"
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:[.,](\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)"
)
_FIRST_AND_LAST = {
    "-292273086-05-16T16:47:06Z": EARLIEST_MS,
    "292277025-08-18T07:12:54.999999999Z": LATEST_MS,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """The fields of query string and form, and what the path says. Unknown fields are ignored."""

    fields: Mapping[str, Sequence[str]]
    path: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The first value of a field, "" without one."""
        found = self.fields.get(name)
        return found[0] if found else ""

    def texts(self, name: str) -> Sequence[str]:
        """Every value of a field."""
        return self.fields.get(name, ())

    def time_ms(self, name: str) -> int:
        """A time that has to be there."""
        try:
            return time_ms(self.text(name))
        except ValueError as error:
            raise bad_parameter(name, error) from None

    def time_ms_or(self, name: str, default_ms: int) -> int:
        """A time that may be left out."""
        text = self.text(name)
        if not text:
            return default_ms
        try:
            return time_ms(text)
        except ValueError as error:
            raise bad_parameter(name, f"invalid time value for '{name}': {error}") from None

    def seconds(self, name: str) -> float:
        """A duration: a number of seconds, or as in `5m`."""
        try:
            return seconds(self.text(name))
        except ValueError as error:
            raise bad_parameter(name, error) from None

    def limit(self, name: str = "limit") -> int:
        """How many entries there may be; 0 for any number."""
        text = self.text(name)
        if not text:
            return 0
        if not re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
            raise bad_parameter(name, f'strconv.Atoi: parsing "{text[:_SHOWN]}": invalid syntax')
        if int(text) < 0:
            raise bad_parameter(name, f"{name} must be non-negative")
        return int(text)

    def range_ms(self) -> tuple[int, int]:
        """What `start` and `end` leave, (after, through]: without them everything."""
        return self.time_ms_or("start", EARLIEST_MS + 1) - 1, self.time_ms_or("end", LATEST_MS)

    def selectors(self) -> list[tuple[Matcher, ...]]:
        """The matchers of every `match[]`. Raises `BadData`."""
        found = []
        for text in self.texts("match[]"):
            try:
                found.append(parse_selector(text))
            except QueryError as error:
                said = str(error)
                raise BadData(_ANYTHING if "non-empty matcher" in said else said) from None
        return found


def asked_of(query_string: bytes, body: bytes, path: Mapping[str, str]) -> Asked:
    """Fields of the form, then of the query string. Raises `BadData` for too many of them."""
    fields: dict[str, list[str]] = {}
    for part in (body, query_string):
        _check_lengths(part)
        try:
            pairs = parse_qsl(
                part.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS
            )
        except ValueError as error:
            raise BadData(f"error parsing form values: {error}") from None
        for name, value in pairs:
            fields.setdefault(name, []).append(value)
    return Asked(fields, path)


def _check_lengths(part: bytes) -> None:
    """Refuse queries that are too long before decoding them takes long. Exact is the parser."""
    if len(part) <= 4 * LONGEST_QUERY:
        return
    for piece in part.split(b"&", MOST_FIELDS):
        name = next((name for name in ("query", "match") if piece.startswith(name.encode())), "")
        # %XX is one byte, and a character has at most four.
        if name and len(piece) - 2 * piece.count(b"%") > 4 * LONGEST_QUERY:
            shown = "match[]" if name == "match" else name
            raise bad_parameter(shown, f"the query is longer than {LONGEST_QUERY:,} characters")


def time_ms(text: str) -> int:
    """Unix milliseconds of Unix seconds or of an RFC 3339 time. Raises ValueError."""
    number = _number(text)
    if number is not None:
        if not abs(number) * 1000 < _FURTHEST_MS:
            raise ValueError(f'cannot parse "{text[:_SHOWN]}" to a valid timestamp')
        fraction, whole = math.modf(number)
        return int(whole) * 1000 + round(fraction * 1000)
    if text in _FIRST_AND_LAST:
        return _FIRST_AND_LAST[text]
    match = _RFC3339.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        zone = "+00:00" if match[3] in "Zz" else match[3]
        at = datetime.fromisoformat(match[1].upper() + zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f'cannot parse "{text[:_SHOWN]}" to a valid timestamp') from None
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    fraction_ms = int((match[2] or "").ljust(3, "0")[:3])
    return (since.days * 86_400 + since.seconds) * 1000 + fraction_ms


def seconds(text: str) -> float:
    """Seconds of a number or of a duration like `1h30m`. Raises ValueError."""
    number = _number(text)
    if number is not None:
        if not abs(number) < 2**63 / 1e9:
            raise ValueError(
                f'cannot parse "{text[:_SHOWN]}" to a valid duration. It overflows int64'
            )
        return number
    try:
        return duration_ms(text) / 1000
    except ValueError:
        raise ValueError(f'cannot parse "{text[:_SHOWN]}" to a valid duration') from None


def in_bounds(at_ms: int) -> int:
    """The nearest time that a store can be asked for."""
    return min(max(at_ms, EARLIEST_MS), LATEST_MS)


def _number(text: str) -> float | None:
    if not text or len(text) > _SHOWN or not re.fullmatch(r"[-+.0-9eEinftyINFTYaA]+", text):
        return None
    try:
        found = float(text)
    except ValueError:
        return None
    return None if math.isnan(found) else found
