"""Silence: ordinary traffic gives no finding, whatever its rate, its spread and its machine."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.findings.window.detectors import WINDOW_DETECTORS, detect_in_window
from tests.analyzer.findings.window.scenes import CLIENT, CONSUMER, PRODUCER, Scene


def ordinary(chance: random.Random, requests: int, busy: float) -> Scene:
    """A shop in which nothing is wrong: requests come when they please and take what they take
    (log-normal), some fail, some are tried again, two versions serve them, messages go out.
    `busy` is how many times slower everything is at the end than in the beginning."""
    scene = Scene(seconds=20.0)
    for trace in range(1, requests + 1):
        at = chance.uniform(-20_000, 20_000)
        slow = 1 + (busy - 1) * max(0.0, at) / 20_000

        def ms(typical: float, slow: float = slow) -> float:
            return slow * typical * chance.lognormvariate(0, 0.5)

        version = {"service.version": chance.choice(["1.4.0", "1.4.0", "1.5.0"])}
        took = ms(8)
        query, message = ms(2), ms(3)
        root = scene.add(trace, at, at + took + query + message + 4, "door", "GET /a")
        call = scene.add(trace, at + 1, at + 3 + took, "door", "GET /b", CLIENT, parent=root)
        here = scene.add(
            trace, at + 2, at + 2 + took, "b", "GET /b", parent=call, resource=version,
            error="no" if chance.random() < 0.03 else None,
            attributes={"http.response.status_code": 429 if chance.random() < 0.02 else 200},
        )  # fmt: skip
        scene.add(
            trace, at + 3, at + 3 + query, "b", "SELECT t", CLIENT, parent=here,
            attributes={"db.system.name": "sqlite", "db.query.text": f"SELECT {trace} FROM t"},
        )  # fmt: skip
        sent = scene.add(trace, at + 2, at + 3, "b", "send m", PRODUCER, parent=here)
        scene.add(
            trace, at + 3 + message, at + 9 + message, "c", "process m", CONSUMER, parent=sent
        )
        if chance.random() < 0.03:
            scene.log(at, "b", f"cannot reach cache {trace}: reset", here)
    return scene


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.integers(0, 120), st.sampled_from([1.0, 3.0]))
def test_ordinary_traffic_is_silent(seed: int, requests: int, busy: float) -> None:
    window = ordinary(random.Random(seed), requests, busy).window()
    assert detect_in_window(window, Thresholds()) == []


HUGE = st.one_of(st.integers(-(1 << 62), 1 << 62), st.integers(-50, 50))


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 4), HUGE, HUGE, st.sampled_from("ab"), st.integers(0, 5),
            st.sampled_from(["", "1", "2", "429", "8", "x" * 300, "\x00"]),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_no_telemetry_makes_a_window_detector_fail(
    told: list[tuple[int, int, int, str, int, str]],
) -> None:
    scene = Scene()
    parent = None
    for trace, start, length, service, kind, word in told:
        attributes = dict.fromkeys(
            ("http.response.status_code", "db.query.text", "db.system", "messaging.system",
             "messaging.destination.name", "service.version", "host.name"), word,
        )  # fmt: skip
        same = parent if parent is not None and parent.trace_id == trace else None
        parent = scene.add(
            trace, start / 1e6, (start + length) / 1e6, service, word, kind, parent=same,
            error=word or None, attributes=attributes, link=parent,
        )  # fmt: skip
        scene.log(start / 1e12, service, word * 50, parent)
    window = scene.window()
    for detector in WINDOW_DETECTORS:
        list(detector.look(window, Thresholds()))
