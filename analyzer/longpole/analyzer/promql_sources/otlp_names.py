"""Names of OTLP metrics and attributes as Prometheus has them: its OTLP receiver's strategy
`UnderscoreEscapingWithSuffixes` (OpenTelemetry's compatibility specification, "OTLP Metric points
to Prometheus", as Prometheus 3.5 does it)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from longpole.analyzer.promql.numbers import sent

UNITS = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds",
    "us": "microseconds", "ns": "nanoseconds",
    "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
    "TiBy": "tibibytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams",
    "Cel": "celsius", "Hz": "hertz", "1": "", "%": "percent",
}  # fmt: skip
PER_UNITS = {
    "s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year",
}  # fmt: skip
_NOT_METRIC = re.compile(r"[^a-zA-Z0-9:]+")
_NOT_LABEL = re.compile(r"[^a-zA-Z0-9_]")
_RUNS = re.compile(r"_+")


def metric_name(name: str, unit: str, type_: str, is_monotonic: bool) -> str:
    """The name of a metric's family; `type_` as stored. "" when nothing of it is left."""
    words = [word for word in _NOT_METRIC.split(name) if word]
    main, per = _unit_words(unit)
    if per:
        main = main.rstrip("_")
    words += [word for word in (main, per) if word and word not in words]
    if type_ == "sum" and is_monotonic:
        words = [word for word in words if word != "total"] + ["total"]
    if unit == "1" and type_ == "gauge":
        words = [word for word in words if word != "ratio"] + ["ratio"]
    joined = "_".join(words)
    return f"_{joined}" if joined[:1].isdigit() else joined


def _unit_words(unit: str) -> tuple[str, str]:
    main, _, per = (half.strip() for half in unit.partition("/"))
    main = "" if "{" in main or "}" in main else UNITS.get(main, main)
    per = "" if "{" in per or "}" in per else PER_UNITS.get(per, per)
    per = _clean(f"per_{per}").removesuffix("_") if per else ""
    return _clean(main), "" if per == "per" else per


def _clean(unit: str) -> str:
    return _RUNS.sub("_", _NOT_METRIC.sub("_", unit)).removeprefix("_")


def label_name(key: str) -> str:
    """The name of an attribute's label; "" when there is none."""
    name = _NOT_LABEL.sub("_", key)
    if name[:1].isdigit():
        return f"key_{name}"
    if name.startswith("_") and not name.startswith("__"):
        name = f"key{name}"
    return name


def attributes_as_labels(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Attributes as labels. Keys that become one name have their values joined by semicolons, in
    the order of the keys."""
    labels: dict[str, str] = {}
    for key in sorted(attributes):
        name, value = label_name(key), attribute_text(attributes[key])
        if name:
            labels[name] = f"{labels[name]};{value}" if name in labels else value
    return labels


def attribute_text(value: object) -> str:
    """A value, as storage shows it in JSON, as the text of a label. What is neither text nor a
    number nor a truth is OTLP/JSON, and becomes plain JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return sent(value).replace("e-0", "e-")
    plain = _plain(value)
    if isinstance(plain, str):
        return plain
    if plain is None:
        return ""
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


_MOST_NODES = 10_000


def _plain(value: object) -> object:
    """An OTLP/JSON AnyValue without its wrapping; bounded, without recursion."""
    result: list[object] = [None]
    waiting: list[tuple[object, Any, Any]] = [(value, result, 0)]
    for _ in range(_MOST_NODES):
        if not waiting:
            break
        node, holder, key = waiting.pop()
        if not isinstance(node, dict) or len(node) != 1:
            holder[key] = node if isinstance(node, (str, int, float, bool)) else None
            continue
        ((kind, inner),) = node.items()
        if kind == "arrayValue":
            entries = list((inner or {}).get("values") or ())
            made: list[object] = [None] * len(entries)
            holder[key] = made
            waiting += [(entry, made, place) for place, entry in enumerate(entries)]
        elif kind == "kvlistValue":
            pairs: dict[str, object] = {}
            holder[key] = pairs
            for entry in _sorted_pairs((inner or {}).get("values") or ()):
                waiting.append((entry.get("value"), pairs, str(entry.get("key", ""))))
        elif kind == "intValue":
            holder[key] = int(inner)
        else:
            holder[key] = _text_of_bytes(inner) if kind == "bytesValue" else inner
    return result[0]


def _sorted_pairs(values: Iterable[Any]) -> list[dict[str, Any]]:
    # The last one popped comes first, so that keys end up in order.
    pairs = [entry for entry in values if isinstance(entry, dict)]
    return sorted(pairs, key=lambda entry: str(entry.get("key", "")), reverse=True)


def _text_of_bytes(value: object) -> str:
    try:
        return base64.b64encode(base64.b64decode(str(value))).decode()
    except ValueError:
        return str(value)
