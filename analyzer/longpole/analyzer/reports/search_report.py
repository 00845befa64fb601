"""What a page that searches shows: rows with a path and a verdict, facets, groups, a picture."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.reports.trace_report import segment_document
from longpole.analyzer.reports.traces_report import explained_values, shown_row
from longpole.analyzer.reports.unsettled import explanations
from longpole.analyzer.reports.usual_roots import is_slow_among, slow_line
from longpole.analyzer.search.causes import causes_of, of_cause
from longpole.analyzer.search.facets import facets_of
from longpole.analyzer.search.removal import removals
from longpole.analyzer.search.sample import Sample, sample_of
from longpole.analyzer.search.scatter import scatter_of
from longpole.analyzer.search.typical import durations_by_root, others, typical_ns
from longpole.analyzer.traceql import format_query
from longpole.model.ids import join_trace_id
from longpole.model.query import TraceQuery
from longpole.storage.ports import TraceReader
from longpole.storage.search_ports import TraceOrder

PER_PAGE = 50
MOST_SEGMENTS = 80  # of one path in a list: more would be thinner than a pixel
_DEFAULTS = Thresholds()


class Part(StrEnum):
    """What a search document may have besides its counts."""

    LIST = "list"
    FACETS = "facets"
    CAUSES = "causes"
    SCATTER = "scatter"


@dataclass(frozen=True, slots=True)
class Search:
    """A question for `search_report`. `page` counts from 1; `cause` is the key of a group."""

    query: TraceQuery
    order: TraceOrder = TraceOrder.NEWEST
    page: int = 1
    per_page: int = PER_PAGE
    before_unix_nano: int | None = None
    cause: str = ""


def found_sample(reader: TraceReader, search: Search) -> Sample:
    """The traces that a search is about, in its order."""
    sample = sample_of(reader, search.query, search.order, search.before_unix_nano)
    return of_cause(sample, search.cause) if search.cause else sample


def search_report(
    reader: TraceReader,
    search: Search,
    parts: Collection[Part] = (Part.LIST,),
    thresholds: Thresholds = _DEFAULTS,
) -> dict[str, Any]:
    """The document of a search with the parts asked for.

    Everything is about the first `matched` traces of that order (at most `sample.MOST_TRACES`;
    facets always about the newest); `is_truncated` says that more match, `looked_at` that only
    so many were looked at. A part:

    - `list`: `traces` of that page, as `traces_report` lists them, each with its `number` in the
      whole order, `path` (the longest segments of its critical path, by start), `typical_ns` and
      `times_typical` (null where fewer than five traces of that root began in that time). When
      nothing matches at all, `removals` say why.
    - `facets`, `causes`, `scatter`: see the modules of these names in `analyzer.search`.
    """
    has_conditions = bool(search.query.conditions or search.cause)
    # What takes long besides the sample needs nothing of each other.
    with ThreadPoolExecutor(2) as aside:
        everything = None
        if Part.LIST in parts and has_conditions:
            everything = aside.submit(sample_of, reader, replace(search.query, conditions=()))
        sample = found_sample(reader, search)
        count = sample.traces.num_rows
        document: dict[str, Any] = {
            "query": format_query(search.query),
            "order": search.order.value,
            "page": search.page,
            "per_page": search.per_page,
            "cause": search.cause,
            "matched": count,
            "is_truncated": sample.is_truncated,
            "looked_at": sample.looked_at,
            "notices": list(sample.notices),
        }
        newest = aside.submit(_newest, reader, search, sample)
        facets = None
        if Part.FACETS in parts:
            facets = aside.submit(lambda: facets_of(reader, newest.result()))
        if Part.LIST in parts:
            compared = everything or newest
            document["traces"] = _rows(reader, search, sample, compared.result, thresholds)
            document["removals"] = [] if count or search.cause else removals(reader, search.query)
        causes = causes_of(sample) if Part.CAUSES in parts else []
        if facets is not None:
            document |= facets.result()
    if Part.CAUSES in parts:
        document["causes"] = causes
    if Part.SCATTER in parts:
        document["scatter"] = scatter_of(sample)
    return document


def _rows(
    reader: TraceReader,
    search: Search,
    sample: Sample,
    everything: Callable[[], Sample],
    thresholds: Thresholds,
) -> list[dict[str, Any]]:
    first = (search.page - 1) * search.per_page
    stored = sample.traces.slice(first, search.per_page).to_pylist()
    rows: dict[int, dict[str, Any]] = {}
    unsettled = []
    for number, row in enumerate(stored, first + 1):
        trace_id = join_trace_id(row["trace_hi"], row["trace_lo"])
        rows[trace_id] = {"number": number, **shown_row(trace_id, row), "path": []}
        if not row["is_settled"]:
            unsettled.append(trace_id)
    settled = [trace_id for trace_id in rows if trace_id not in set(unsettled)]
    for segment in reader.path_segments(settled, MOST_SEGMENTS).to_pylist():
        owner = join_trace_id(segment["trace_hi"], segment["trace_lo"])
        rows[owner]["path"].append(path_segment(segment))
    for e in explanations(reader, unsettled, None):
        if e.root >= 0:
            rows[e.trace_id] |= {**explained_values(e, thresholds), "path": _path_now(e)}
    # Of all traces of the time: what was searched for is slow or failed, and would make a bad
    # measure of itself.
    by_root = durations_by_root(everything().traces)
    for shown in rows.values():
        durations = by_root.get((shown["root_service"], shown["root_operation"]))
        usual = None if durations is None else typical_ns(durations)
        shown["typical_ns"] = usual
        shown["times_typical"] = round(shown["duration_ns"] / usual, 3) if usual else None
        if durations is not None:
            own_ns = shown["duration_ns"]
            if is_slow_among(own_ns, others(durations, own_ns)):
                shown["verdict"] = slow_line(shown["verdict"])
    return list(rows.values())


def _newest(reader: TraceReader, search: Search, sample: Sample) -> Sample:
    """The newest of the same traces: what they have in common does not depend on how a list is
    sorted, and the spans of the newest lie close together."""
    if search.order is TraceOrder.NEWEST or not sample.is_truncated:
        return sample
    return found_sample(reader, replace(search, order=TraceOrder.NEWEST))


def path_segment(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A segment as the `path` of a row lists it."""
    names = ("service", "operation", "label", "start_unix_nano", "end_unix_nano")
    return {name: stored[name] for name in names}


def _path_now(e: Explanation) -> list[dict[str, Any]]:
    longest = sorted(
        (segment_document(e, segment) for segment in e.segments),
        key=lambda one: (one["start_unix_nano"] - one["end_unix_nano"], one["start_unix_nano"]),
    )
    kept = sorted(longest[:MOST_SEGMENTS], key=lambda one: int(one["start_unix_nano"]))
    return [path_segment(one) for one in kept]
