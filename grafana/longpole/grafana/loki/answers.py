"""Lines and numbers as Loki shows them.

The plugin decodes while it reads, so `resultType` and `encodingFlags` stand before `result`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from longpole.analyzer.logql.evaluation import Steps, Table
from longpole.analyzer.logql.pipeline import Line

CATEGORIZE = "categorize-labels"


def streams_answer(lines: Iterable[Line], is_categorized: bool, is_forward: bool) -> dict[str, Any]:
    """Lines by stream, each in the order asked for. With categories a stream has only its own
    labels, and each line says what is known of it besides; else all labels make the stream."""
    streams: dict[tuple[tuple[str, str], ...], list[list[Any]]] = {}
    for line in lines:
        labels, value = _categorized(line) if is_categorized else _plain(line)
        streams.setdefault(tuple(sorted(labels.items())), []).append(value)
    result = [
        {"stream": dict(labels), "values": values[::-1] if is_forward else values}
        for labels, values in streams.items()
    ]
    data: dict[str, Any] = {"resultType": "streams"}
    if is_categorized:
        data["encodingFlags"] = [CATEGORIZE]
    return success({**data, "result": result, "stats": {}})


def matrix_answer(table: Table, steps: Steps) -> dict[str, Any]:
    """Numbers at every step."""
    times = [time / 1e9 for time in steps.times_ns.tolist()]
    result = [
        {
            "metric": dict(labels),
            "values": [
                [time, number_text(value)]
                for time, value in zip(times, row.tolist(), strict=True)
                if not math.isnan(value)
            ],
        }
        for labels, row in table.items()
    ]
    kept = [one for one in result if one["values"]]
    return success({"resultType": "matrix", "result": kept, "stats": {}})


def vector_answer(table: Table, steps: Steps) -> dict[str, Any]:
    """Numbers at one time."""
    time = steps.start_ns / 1e9
    result = [
        {"metric": dict(labels), "value": [time, number_text(float(row[0]))]}
        for labels, row in table.items()
        if not math.isnan(row[0])
    ]
    return success({"resultType": "vector", "result": result, "stats": {}})


def scalar_answer(value: float, steps: Steps) -> dict[str, Any]:
    """One number alone."""
    result = [steps.start_ns / 1e9, number_text(value)]
    return success({"resultType": "scalar", "result": result, "stats": {}})


def success(data: Any) -> dict[str, Any]:
    """What went well."""
    return {"status": "success", "data": data}


def number_text(value: float) -> str:
    """A number as Go writes it: whole ones without a point."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _categorized(line: Line) -> tuple[Mapping[str, str], list[Any]]:
    stream = {
        name: value
        for name, value in line.record.stream.items()
        if name in line.labels and name not in line.added
    }
    metadata = {
        name: value
        for name, value in line.record.metadata.items()
        if name in line.labels and name not in line.added and name not in stream
    }
    parsed = {name: line.labels[name] for name in sorted(line.added) if line.labels[name]}
    about: dict[str, Any] = {}
    if metadata:
        about["structuredMetadata"] = metadata
    if parsed:
        about["parsed"] = parsed
    return stream, [str(line.record.time_ns), line.text, about]


def _plain(line: Line) -> tuple[Mapping[str, str], list[Any]]:
    labels = {name: value for name, value in line.labels.items() if value}
    return labels, [str(line.record.time_ns), line.text]
