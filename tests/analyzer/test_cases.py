from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.labels import Label
from tests.analyzer.span_builders import CASES, case_options, case_trace

MODES = [
    pytest.param(
        case, expected, id=f"{case['name']}-{'-'.join(map(str, expected['mode'].values()))}"
    )
    for case in CASES
    for expected in case["expected"]
]


def merged(explanation: Explanation) -> list[list[Any]]:
    """Segments without labels, latest first, neighbours of one span joined."""
    joined: list[list[Any]] = []
    for s in reversed(list(explanation.segments)):
        span_id = explanation.spans.span_ids[s.span]
        if joined and joined[-1][0] == span_id and joined[-1][1] == s.end_unix_nano:
            joined[-1][1] = s.start_unix_nano
        else:
            joined.append([span_id, s.start_unix_nano, s.end_unix_nano])
    return joined


@pytest.mark.parametrize(("case", "expected"), MODES)
def test_the_case_comes_out_segment_for_segment(
    case: dict[str, Any], expected: dict[str, Any]
) -> None:
    trace, text_of = case_trace(case)
    explanation = explain(trace, case_options(expected["mode"]))
    ids = explanation.spans.span_ids
    assert text_of[ids[explanation.root]] == expected["primary_root"]
    assert explanation.duration_ns == expected["root_duration"]
    found = [[text_of[i], start, end] for i, start, end in merged(explanation)]
    assert found == expected["segments_latest_first"]
    own = {text_of[ids[i]]: ns for i, ns in explanation.critical_ns.items()}
    assert own == expected["self_on_path"]
    detached = {text_of[ids[i]]: str(reason) for i, reason in explanation.detached.items()}
    assert detached == expected["detached"]


def test_the_case_file_lists_every_case_it_promises() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES) == 32


def test_the_client_server_gap_is_the_edge_to_the_callee() -> None:
    case = next(c for c in CASES if c["name"] == "client-server-gap")
    trace, _ = case_trace(case)
    time: dict[tuple[str, str | None], int] = defaultdict(int)
    for s in explain(trace).segments:
        time[s.label, s.peer] += s.end_unix_nano - s.start_unix_nano
    assert time[Label.NET_REQUEST, "api"] == 20
    assert time[Label.NET_RESPONSE, "api"] == 30
    assert case["edge_time"] == {"web->api": 50}
