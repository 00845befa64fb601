from __future__ import annotations

from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from longpole.formats import files, jaeger, otlp, zipkin
from longpole.formats.malformed import MalformedRequest
from longpole.model.signals import Signal
from tests.effort import examples

leaves: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "1", "true", "CLIENT", "int64", "CHILD_OF", "0a", "é", "9" * 40]),
)
NAMES = """
data spans processes traceID spanID operationName references refType startTime duration tags key
type value logs timestamp fields processID process serviceName flags parentSpanID traceId id name
kind localEndpoint remoteEndpoint annotations p1 resourceSpans scopeSpans error resourceLogs
logRecords body resourceMetrics scopeMetrics metrics gauge dataPoints
"""
names = st.sampled_from(NAMES.split())
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=6)),
    max_leaves=25,
)


@examples(60, 150)
@given(trees)
def test_any_json_is_read_or_refused_cleanly(tree: Any) -> None:
    text = orjson.dumps(tree)
    for decoder in (jaeger.decode, zipkin.decode):
        try:
            told = decoder(text)
        except MalformedRequest:
            continue
        again = otlp.decode(Signal.TRACES, told.body)
        assert again.accepted == told.accepted
    try:
        list(files.read("x", text))
    except (MalformedRequest, files.UnknownFormat):
        return


@examples(60, 150)
@given(st.dictionaries(names, leaves, max_size=8), st.dictionaries(names, trees, max_size=5))
@example({"flags": False}, {})
def test_a_span_of_any_fields_is_kept_or_counted(fields: dict[str, Any], odd: Any) -> None:
    span = {"traceID": "1", "spanID": "2", "traceId": "1", "id": "2", **fields, **odd}
    for told in (
        jaeger.decode(orjson.dumps({"data": [{"spans": [span], "processes": {"p1": {}}}]})),
        zipkin.decode(orjson.dumps([span])),
    ):
        assert told.accepted + told.rejected == 1
