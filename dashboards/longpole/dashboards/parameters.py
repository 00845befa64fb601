"""Parameters of a question (from a URL or from flags) as a `TraceQuery` and `PathOptions`.

Values are text, as a URL has them; the command line sends the same text. An unknown or odd
parameter raises `BadQuestion`, which names it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from longpole.analyzer import traceql
from longpole.analyzer.critical_path import Overflow, PathOptions
from longpole.dashboards.errors import BadQuestion
from longpole.model.clock import Clock
from longpole.model.ids import parse_trace_id, trace_id_hex
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.span import StatusCode
from longpole.model.timerange import TimeRange

Parameters = Mapping[str, Sequence[str]]

FILTERS = frozenset(
    {"q", "service", "operation", "min_duration", "max_duration", "error", "attr", "trace",
     "since", "from", "to", "limit"}
)  # fmt: skip
PATH_OPTIONS = frozenset({"overflow", "eps", "tau"})
BASELINE = frozenset({"baseline_from", "baseline_to"})
MAX_LIMIT = 10_000
_LONGEST_NS = 2**62
MAX_TEXT = 32_768
_DURATION = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)\s*(ns|us|µs|ms|s|m|h|d)?")
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9,
          "h": 3600 * 10**9, "d": 86400 * 10**9}  # fmt: skip
# In a query of an address a plus means a blank, so `to=now+5m` arrives with one.
_RELATIVE = re.compile(r"now(?:\s?([+\- ])\s?([^+\- ].*))?")
# By the number of digits: Unix seconds, milliseconds, microseconds, nanoseconds.
_SCALES = ((11, 10**9), (14, 10**6), (17, 10**3), (19, 1))
_TRACE_ID = re.compile(r"[0-9a-fA-F]{16}|[0-9a-fA-F]{32}")
_NAME = re.compile(r"[\w.:/\-]{1,80}")
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]{1,3})?")


def only(parameters: Parameters, *known: frozenset[str]) -> None:
    """Refuse parameters that no one reads, so that a typo is not taken for an answer."""
    names = frozenset().union(*known)
    for name, values in parameters.items():
        if name not in names:
            raise BadQuestion(
                f"there is no parameter {name[:80]!r} here; known are {', '.join(sorted(names))}"
            )
        if any(len(value) > MAX_TEXT for value in values):
            raise BadQuestion(f"{name} is longer than {MAX_TEXT:,} characters")


def first(parameters: Parameters, name: str) -> str | None:
    """The only value of a parameter; None when absent or empty."""
    values = parameters.get(name, ())
    if len(values) > 1:
        raise BadQuestion(f"{name} is given {len(values)} times; once is enough")
    return (values[0] or None) if values else None


def flag(parameters: Parameters, name: str) -> bool:
    """`1`, `true`, `yes`, `on` against `0`, `false`, `no`, `off` and absence."""
    text = (first(parameters, name) or "0").lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off"):
        return False
    raise BadQuestion(f"{name}: {text[:80]!r} is neither true nor false")


def duration_ns(text: str, name: str) -> int:
    """`1.5s`, `200ms`, `10us`, `2h`; a bare number is refused, its unit would be a guess."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or match[2] is None:
        raise BadQuestion(f"{name}: {text[:80]!r} is no duration; write 1.5s, 200ms, 10us or 2h")
    nanoseconds = round(float(match[1]) * _UNITS[match[2]])
    if nanoseconds > _LONGEST_NS:
        raise BadQuestion(f"{name}: {text[:80]!r} is longer than any time here")
    return nanoseconds


def whole(text: str, name: str, least: int, most: int) -> int:
    """An integer within bounds."""
    if not _WHOLE.fullmatch(text.strip()) or not least <= int(text) <= most:
        raise BadQuestion(f"{name}: {text[:80]!r} is no whole number from {least} to {most:,}")
    return int(text)


def moment(text: str, name: str, clock: Clock) -> int:
    """Unix nanoseconds of an RFC 3339 time (UTC when it names no zone), of a whole number of
    Unix seconds, milliseconds, microseconds or nanoseconds, told apart by their length, of Unix
    seconds with a fraction, or of `now`, `now-12h`, `now+5m` by that clock."""
    text = text.strip()
    everything = TimeRange()
    relative = _RELATIVE.fullmatch(text)
    if relative is not None:
        away = duration_ns(relative[2], name) if relative[1] else 0
        at_ns = clock.now_unix_nano() + (-away if relative[1] == "-" else away)
        return max(everything.start_unix_nano, min(at_ns, everything.end_unix_nano))
    if re.fullmatch(r"[0-9]{1,19}", text):
        at_ns = int(text) * next(scale for digits, scale in _SCALES if len(text) <= digits)
        if at_ns > everything.end_unix_nano:
            raise BadQuestion(f"{name}: {text} lies after the year 2262")
        return at_ns
    fraction = re.fullmatch(r"([0-9]{1,9}|[1-8][0-9]{9})\.([0-9]{1,9})[0-9]*", text)
    if fraction is not None:
        return int(fraction[1]) * 1_000_000_000 + int(fraction[2].ljust(9, "0"))
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadQuestion(
            f"{name}: {text[:80]!r} is no time; write now-12h, 2026-01-31T12:00:00Z or Unix seconds"
        ) from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    unix_nano = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    return max(everything.start_unix_nano, min(unix_nano, everything.end_unix_nano))


def query(parameters: Parameters, clock: Clock, default_limit: int | None = 20) -> TraceQuery:
    """The filters among the parameters. `limit` 0 means no limit, where that is the default."""
    conditions: list[Condition] = []
    text = first(parameters, "q")
    if text:
        conditions += _parsed(text)
    for name, field in (("service", Field.SERVICE), ("operation", Field.NAME)):
        value = first(parameters, name)
        if value is not None:
            conditions.append(Condition(field, Comparison.EQ, value))
    for name, comparison in (("min_duration", Comparison.GE), ("max_duration", Comparison.LE)):
        value = first(parameters, name)
        if value is not None:
            conditions.append(Condition(Field.TRACE_DURATION, comparison, duration_ns(value, name)))
    if flag(parameters, "error"):
        conditions.append(Condition(Field.STATUS, Comparison.EQ, int(StatusCode.ERROR)))
    conditions += [_attribute(pair) for pair in parameters.get("attr", ())]
    trace = first(parameters, "trace")
    if trace is not None:
        hexed = trace_id_hex(parse_trace_id(trace))
        conditions.append(Condition(Field.TRACE_ID, Comparison.EQ, hexed))
    limit = first(parameters, "limit")
    return TraceQuery(
        tuple(conditions),
        time_range(parameters, clock),
        default_limit if limit is None else whole(limit, "limit", 1, MAX_LIMIT),
    )


def _parsed(text: str) -> tuple[Condition, ...]:
    try:
        return traceql.parse_query(text).conditions
    except traceql.QuerySyntaxError as error:
        meant = _meant(text.strip())
        if meant:
            error.args = (f"{error}\n{meant}",)
        raise


def _meant(text: str) -> str:
    """What somebody most likely wants who gives an id, a name or bare conditions; may be empty."""
    if _TRACE_ID.fullmatch(text):
        return f"To look at one trace: longpole trace {text}"
    meant = meant_query(text)
    return f"Did you mean {meant} ?" if meant else ""


def meant_query(text: str) -> str:
    """The query that somebody most likely means who gives a name or bare conditions, which do not
    parse; may be empty."""
    if _NAME.fullmatch(text):
        meant = TraceQuery((Condition(Field.SERVICE, Comparison.EQ, text),))
        return traceql.format_query(meant)
    braced = "{ " + text + " }"
    try:
        traceql.parse_query(braced)
    except traceql.QuerySyntaxError:
        return ""
    return braced


def time_range(parameters: Parameters, clock: Clock) -> TimeRange:
    """`since` counts back from now; `from` and `to` are moments."""
    everything = TimeRange()
    since, begin, end = (first(parameters, name) for name in ("since", "from", "to"))
    if since and begin:
        raise BadQuestion("since and from both say where to begin; give one of them")
    start = everything.start_unix_nano
    if since:
        start = clock.now_unix_nano() - duration_ns(since, "since")
    elif begin:
        start = moment(begin, "from", clock)
    stop = moment(end, "to", clock) if end else everything.end_unix_nano
    if start >= stop:
        raise BadQuestion("the time range is empty: it ends before it begins")
    return TimeRange(start, stop)


def baseline(parameters: Parameters, clock: Clock) -> TimeRange | None:
    """`baseline_from` to `baseline_to`, both or neither."""
    begin, end = (first(parameters, name) for name in ("baseline_from", "baseline_to"))
    if begin is None and end is None:
        return None
    if begin is None or end is None:
        raise BadQuestion("baseline_from and baseline_to belong together")
    start, stop = moment(begin, "baseline_from", clock), moment(end, "baseline_to", clock)
    if start >= stop:
        raise BadQuestion("the baseline is empty: it ends before it begins")
    return TimeRange(start, stop)


def path_options(parameters: Parameters) -> PathOptions:
    """`overflow`, `eps` and `tau` (nanoseconds)."""
    overflow = first(parameters, "overflow") or Overflow.DETACH.value
    if overflow not in {mode.value for mode in Overflow}:
        raise BadQuestion(f"overflow: {overflow[:80]!r} is neither clip nor detach")
    eps, tau = first(parameters, "eps"), first(parameters, "tau")
    return PathOptions(
        overflow=Overflow(overflow),
        eps_ns=0 if eps is None else whole(eps, "eps", 0, 2**62),
        tau_ns=None if tau is None else whole(tau, "tau", 0, 2**62),
    )


def _attribute(pair: str) -> Condition:
    """`key=value`; a number or true/false compares as such, "quotes" make it a string."""
    key, equals, value = pair.partition("=")
    if not key or not equals:
        raise BadQuestion(f"attr: {pair[:80]!r} is not key=value")
    typed: str | int | float | bool = value
    if value in ("true", "false"):
        typed = value == "true"
    elif _WHOLE.fullmatch(value):
        typed = int(value)
    elif _DECIMAL.fullmatch(value):
        typed = float(value)
    elif len(value) >= 2 and value[0] == value[-1] == '"':
        typed = value[1:-1]
    return Condition(Field.ANY_ATTRIBUTE, Comparison.EQ, typed, key)
