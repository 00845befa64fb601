"""The picture of a search: duration over time, one point for each trace of the sample."""

from __future__ import annotations

from typing import Any

from longpole.analyzer.search.sample import Sample
from longpole.model.ids import trace_id_hex


def scatter_of(sample: Sample) -> dict[str, Any]:
    """Columns of equal length: `trace_ids`, `starts_us` (microseconds since `begin_unix_nano`),
    `durations_ns`, `errors` (number of spans that failed), `roots` (places in `root_names`)."""
    names: dict[tuple[str, str], int] = {}
    pairs = zip(
        sample.traces.column("root_service").to_pylist(),
        sample.traces.column("root_operation").to_pylist(),
        strict=True,
    )
    roots = [names.setdefault(pair, len(names)) for pair in pairs]
    starts = sample.numbers("start_unix_nano")
    begin = int(starts.min()) if starts.size else 0
    return {
        "begin_unix_nano": begin,
        "trace_ids": [trace_id_hex(trace_id) for trace_id in sample.ids()],
        "starts_us": ((starts - begin) // 1000).tolist(),
        "durations_ns": sample.numbers("duration_ns").tolist(),
        "errors": sample.numbers("error_count").tolist(),
        "roots": roots,
        "root_names": [{"service": service, "operation": name} for service, name in names],
    }
