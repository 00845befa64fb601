"""Finds log records in the tables of kept requests, as `FoundLogs` promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longpole.model import columns
from longpole.model.ids import split_trace_id
from longpole.model.query import LogQuery
from longpole.model.telemetry import Telemetry
from longpole.storage.answers import FOUND_LOGS, LOG_COUNTS
from longpole.storage.memory_attributes import attributes_json, resources_json
from longpole.storage.ports import FoundLogs


def find_logs(requests: Sequence[Telemetry], query: LogQuery) -> FoundLogs:
    """The matching ones among the records of these requests, which are in order of arrival."""
    if not requests:
        return FoundLogs(FOUND_LOGS.empty_table())
    logs = pa.concat_tables([request.tables["logs"] for request in requests])
    own, observed = logs.column("time_unix_nano"), logs.column("observed_time_unix_nano")
    times = pc.if_else(pc.equal(own, 0), observed, own)
    found = _matching(logs.set_column(1, "time_unix_nano", times), query)
    # Stable from behind: of equally old ones, what came last comes first.
    found = found.take(pa.array(np.arange(found.num_rows)[::-1]))
    order = np.argsort(~found.column("time_unix_nano").to_numpy(), kind="stable")
    kept = found.take(pa.array(order[: query.limit]))
    resources = resources_json(request.tables["resources"] for request in requests)
    of_resource = [resources.get(one, "{}") for one in kept.column("resource_id").to_pylist()]
    fixed = [kept.column(name) for name in FOUND_LOGS.names[:-2]]
    table = pa.Table.from_arrays(
        [*fixed, pa.array(attributes_json(kept), pa.string()), pa.array(of_resource, pa.string())],
        schema=FOUND_LOGS,
    )
    return FoundLogs(table, kept.num_rows < found.num_rows)


def log_counts(found: pa.Table, step_ns: int) -> pa.Table:
    """The `LOG_COUNTS` of found records."""
    names = ("time_unix_nano", "severity_number", "severity_text")
    rows = zip(*(found.column(name).to_pylist() for name in names), strict=True)
    counts = Counter(
        (
            time // step_ns * step_ns,
            number or 0,
            "" if 1 <= (number or 0) <= 24 else (text or "")[:20],
        )
        for time, number, text in rows
    )
    table = [(*key, count) for key, count in sorted(counts.items())]
    arrays = [list(column) for column in zip(*table, strict=True)] or [[], [], [], []]
    return pa.table(dict(zip(LOG_COUNTS.names, arrays, strict=True)), schema=LOG_COUNTS)


def _matching(logs: pa.Table, query: LogQuery) -> pa.Table:
    times = logs.column("time_unix_nano")
    mask = pc.and_(
        pc.greater_equal(times, query.time.start_unix_nano),
        pc.less(times, query.time.end_unix_nano),
    )
    for name, wanted in (
        ("service_name", query.services),
        ("span_id", query.span_ids),
        ("resource_id", query.resource_ids),
    ):
        if wanted:
            values = pa.array(wanted, columns.LOGS.field(name).type)
            mask = pc.and_(mask, pc.is_in(logs.column(name), value_set=values))
    if query.least_severity:
        mask = pc.and_(mask, pc.greater_equal(logs.column("severity_number"), query.least_severity))
    if query.text:
        lowered = pc.utf8_lower(logs.column("body"))
        wanted = pc.utf8_lower(pa.scalar(query.text, pa.string())).as_py()
        mask = pc.and_(mask, pc.fill_null(pc.match_substring(lowered, wanted), False))
    if query.trace_ids:
        wanted_ids = {split_trace_id(one) for one in query.trace_ids}
        pairs = zip(
            *(logs.column(name).to_pylist() for name in ("trace_hi", "trace_lo")), strict=True
        )
        mask = pc.and_(mask, pa.array([pair in wanted_ids for pair in pairs], pa.bool_()))
    return logs.filter(mask)
