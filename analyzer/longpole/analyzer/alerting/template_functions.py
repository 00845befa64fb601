"""The functions that alert templates may call: those of Prometheus and those of Go."""

from __future__ import annotations

import html
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlsplit

import re2

from longpole.analyzer.alerting import humanizing
from longpole.analyzer.alerting.go_printf import sprint, sprintf, sprintln
from longpole.analyzer.alerting.go_values import (
    AnyMap,
    Sample,
    Value,
    is_true,
    type_name,
)
from longpole.analyzer.alerting.strict_fields import DurationError, duration_of
from longpole.analyzer.alerting.template_nodes import TemplateError

# What Prometheus puts before every template of a rule.
PREAMBLE = (
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"
    "{{$externalURL := .ExternalURL}}{{$value := .Value}}"
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What templates know besides their data. `query` evaluates PromQL at `now_ms`; it raises
    `TemplateError`, and so does `check_time` when templates have taken long enough."""

    query: Callable[[str], list[Sample]]
    now_ms: int
    external_url: str = ""
    check_time: Callable[[], None] = lambda: None


# No text of a template is longer: functions that multiply texts do not get to do it many times.
LONGEST = 65_536


# A function's parameters by kind; "..." repeats the kind before it.
Kinds = tuple[str, ...]


def _first(_: Surroundings, vector: list[Sample]) -> Sample:
    if not vector:
        raise TemplateError("first() called on vector with no elements")
    return vector[0]


def _pattern(text: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 8 << 20
    try:
        return re2.compile(text, options)
    except re2.error as error:
        words = error.args[0]
        said = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
        raise TemplateError(
            f"regexp: Compile(`{text}`): error parsing regexp: {said[:200]}"
        ) from None


def _replaced(_: Surroundings, pattern: str, replacement: str, text: str) -> str:
    found = _pattern(pattern)
    names = found.groupindex
    size = 0

    def expanded(match: Any) -> str:
        nonlocal size
        put = replaced(match)
        size += len(put)
        _check_length(size)
        return put

    def replaced(match: Any) -> str:
        def group(reference: re.Match[str]) -> str:
            name = reference[1] or reference[2]
            if reference[0] == "$$":
                return "$"
            number = int(name) if name.isdigit() else names.get(name, -1)
            return (match.group(number) or "") if 0 <= number <= match.re.groups else ""

        return re.sub(r"\$\$|\$\{(\w+)\}|\$(\w+)", group, replacement)

    result: str = found.sub(expanded, text)
    return result


def _check_length(size: int) -> None:
    if size > LONGEST:
        raise TemplateError(f"the text is longer than {LONGEST:,} characters")


def _split_port(host_port: str) -> tuple[str, str] | None:
    match = re.fullmatch(r"\[([^\[\]]*)\]:([^:\[\]]*)|([^:\[\]]*):([^:\[\]]*)", host_port)
    if match is None:
        return None
    return (match[1], match[2]) if match[1] is not None else (match[3], match[4])


def _without_domain(_: Surroundings, host_port: str) -> str:
    host, port = _split_port(host_port) or (host_port, "")
    try:
        ipaddress.ip_address(host)
        return host_port
    except ValueError:
        short = host.partition(".")[0]
    return f"{short}:{port}" if port else short


def _title(_: Surroundings, text: str) -> str:
    return re.sub(r"(?<![\w'’.])\w", lambda match: match[0].title(), text)


def _link(tab: int) -> Callable[[Surroundings, str], str]:
    return lambda _, query: f"/graph?g0.expr={quote_plus(query, safe='~')}&g0.tab={tab}"


def _duration(_: Surroundings, text: str) -> float:
    try:
        return duration_of(text) / 1000
    except DurationError as error:
        raise TemplateError(str(error)) from None


def _index(_: Surroundings, item: Value, *keys: Value) -> Value:
    for key in keys:
        if isinstance(item, dict):
            if not isinstance(key, str):
                raise TemplateError(f"value has type {type_name(key)}; should be string")
            item = item.get(key, None if isinstance(item, AnyMap) else "")
        elif isinstance(item, list | str):
            if isinstance(key, bool) or not isinstance(key, int):
                raise TemplateError(f"cannot index slice/array with type {type_name(key)}")
            if not 0 <= key < len(item):
                raise TemplateError(f"reflect: slice index out of range: {key}")
            item = item[key] if isinstance(item, list) else item.encode()[key]
        elif item is None:
            raise TemplateError("index of untyped nil")
        else:
            raise TemplateError(f"can't index item of type {type_name(item)}")
    return item


def _slice(_: Surroundings, item: Value, *bounds: Value) -> Value:
    if not isinstance(item, list | str) or len(bounds) > 3:
        raise TemplateError(f"can't slice item of type {type_name(item)}")
    if any(isinstance(one, bool) or not isinstance(one, int) for one in bounds):
        raise TemplateError("cannot index slice/array with type other than int")
    raw = item.encode() if isinstance(item, str) else item
    start = bounds[0] if bounds else 0
    end = bounds[1] if len(bounds) > 1 else len(raw)
    if not 0 <= start <= end <= len(raw):
        raise TemplateError(f"index out of range: {end}")
    cut = raw[start:end]
    return cut.decode("utf-8", "replace") if isinstance(cut, bytes) else cut


def _length(_: Surroundings, item: Value) -> int:
    if not isinstance(item, list | dict | str):
        raise TemplateError(f"error calling len: len of type {type_name(item)}")
    return len(item.encode()) if isinstance(item, str) else len(item)


def _basic(value: Value) -> str:
    kind = type_name(value)
    if kind not in ("bool", "string", "int", "float64"):
        raise TemplateError("invalid type for comparison")
    return kind


def _same_type(one: Value, other: Value) -> None:
    kinds = _basic(one), _basic(other)
    if kinds[0] != kinds[1]:
        raise TemplateError(f"incompatible types for comparison: {kinds[0]} and {kinds[1]}")


def _is_equal(_: Surroundings, one: Value, *others: Value) -> bool:
    if not others:
        raise TemplateError("missing argument for comparison")
    for other in others:
        if one is None or other is None:
            if one is other:
                return True
            continue
        _same_type(one, other)
        if one == other:
            return True
    return False


def _ordered(is_met: Callable[[Any, Any], bool]) -> Callable[[Surroundings, Value, Value], bool]:
    def compared(_: Surroundings, one: Value, other: Value) -> bool:
        _same_type(one, other)
        if isinstance(one, bool):
            raise TemplateError("invalid type for comparison")
        return is_met(one, other)

    return compared


def _arguments(_: Surroundings, *values: Value) -> AnyMap:
    return AnyMap({f"arg{place}": value for place, value in enumerate(values)})


def _text_of(values: tuple[Value, ...]) -> str:
    return values[0] if len(values) == 1 and isinstance(values[0], str) else sprint(values)


def _script(_: Surroundings, *values: Value) -> str:
    text = json.dumps(_text_of(values), ensure_ascii=False)[1:-1]
    for sign in "<>&='":
        text = text.replace(sign, "\\'" if sign == "'" else f"\\u{ord(sign):04X}")
    return text


def _of_value(change: Callable[[Value], Value]) -> tuple[Kinds, Callable[..., Value]]:
    return ("any",), lambda _, value: change(value)


def _of_text(change: Callable[[str], Value]) -> tuple[Kinds, Callable[..., Value]]:
    return ("string",), lambda _, text: change(text)


def _stripped_port(text: str) -> str:
    parts = _split_port(text)
    return parts[0] if parts else text


FUNCTIONS: Mapping[str, tuple[Kinds, Callable[..., Value]]] = {
    "query": (("string",), lambda around, text: around.query(text)),
    "first": (("vector",), _first),
    "label": (("string", "sample"), lambda _, name, sample: sample.labels.get(name, "")),
    "value": (("sample",), lambda _, sample: sample.value),
    "strvalue": (("sample",), lambda _, sample: sample.labels.get("__value__", "")),
    "sortByLabel": (
        ("string", "vector"),
        lambda _, name, vector: sorted(vector, key=lambda one: one.labels.get(name, "")),
    ),
    "args": (("any", "..."), _arguments),
    "reReplaceAll": (("string", "string", "string"), _replaced),
    "match": (
        ("string", "string"),
        lambda _, pattern, text: _pattern(pattern).search(text) is not None,
    ),
    "safeHtml": _of_text(str),
    "title": (("string",), _title),
    "toUpper": _of_text(str.upper),
    "toLower": _of_text(str.lower),
    "graphLink": (("string",), _link(0)),
    "tableLink": (("string",), _link(1)),
    "stripPort": _of_text(_stripped_port),
    "stripDomain": (("string",), _without_domain),
    "humanize": _of_value(humanizing.humanize),
    "humanize1024": _of_value(humanizing.humanize_1024),
    "humanizeDuration": _of_value(humanizing.humanize_duration),
    "humanizePercentage": _of_value(humanizing.humanize_percentage),
    "humanizeTimestamp": _of_value(humanizing.humanize_timestamp),
    "toTime": _of_value(humanizing.time_of),
    "toDuration": _of_value(humanizing.duration_of_seconds),
    "now": ((), lambda around: around.now_ms / 1000),
    "externalURL": ((), lambda around: around.external_url),
    "pathPrefix": ((), lambda around: urlsplit(around.external_url).path),
    "parseDuration": (("string",), _duration),
    "urlQueryEscape": _of_text(lambda text: quote_plus(text, safe="~")),
    "printf": (("string", "any", "..."), lambda _, layout, *values: sprintf(layout, values)),
    "print": (("any", "..."), lambda _, *values: sprint(values)),
    "println": (("any", "..."), lambda _, *values: sprintln(values)),
    "html": (
        ("any", "..."),
        lambda _, *values: html.escape(_text_of(values)).replace("&quot;", "&#34;")
        .replace("&#x27;", "&#39;"),
    ),
    "js": (("any", "..."), _script),
    "urlquery": (
        ("any", "..."),
        lambda _, *values: quote_plus(_text_of(values), safe="~"),
    ),
    "len": (("any",), _length),
    "index": (("any", "any", "..."), _index),
    "slice": (("any", "any", "..."), _slice),
    "not": _of_value(lambda value: not is_true(value)),
    "eq": (("any", "any", "..."), _is_equal),
    "ne": (("any", "any"), lambda around, one, other: not _is_equal(around, one, other)),
    "lt": (("any", "any"), _ordered(lambda one, other: one < other)),
    "le": (("any", "any"), _ordered(lambda one, other: one <= other)),
    # As Go has it, the opposites of le and lt: true for NaN.
    "gt": (("any", "any"), _ordered(lambda one, other: not one <= other)),
    "ge": (("any", "any"), _ordered(lambda one, other: not one < other)),
}  # fmt: skip
# These stop at the first argument that decides, so the arguments are not evaluated before.
LAZY = ("and", "or")
FUNCTION_NAMES = frozenset(FUNCTIONS) | frozenset(LAZY) | {"call"}

_FITS: Mapping[str, tuple[type, ...]] = {"string": (str,), "sample": (Sample,), "vector": (list,)}


def called(name: str, around: Surroundings, arguments: list[Value]) -> Value:
    """The value of a function. Raises `TemplateError` in Go's words."""
    if name == "call":
        raise TemplateError("non-function of type string" if arguments else "missing function")
    kinds, function = FUNCTIONS[name]
    is_open = kinds[-1:] == ("...",)
    fixed = kinds[:-2] if is_open else kinds
    if len(arguments) < len(fixed) or (not is_open and len(arguments) > len(fixed)):
        wanted = f"at least {len(fixed)}" if is_open else str(len(fixed))
        raise TemplateError(f"wrong number of args for {name}: want {wanted} got {len(arguments)}")
    for kind, value in zip(fixed, arguments, strict=False):
        if kind != "any" and not isinstance(value, _FITS[kind]):
            go = {
                "string": "string",
                "sample": "*template.sample",
                "vector": "template.queryResult",
            }
            raise TemplateError(
                f"wrong type for value; expected {go[kind]}; got {type_name(value)}"
            )
    result = function(around, *arguments)
    if isinstance(result, str):
        _check_length(len(result))
    return result
