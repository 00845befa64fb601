"""A verdict line reads back to its cause, whatever its figures and names."""

from __future__ import annotations

import pytest

from longpole.analyzer.findings.catalogue import DETECTORS
from longpole.analyzer.search.causes import UNKNOWN, causes_of, of_cause
from longpole.analyzer.search.sample import sample_of
from longpole.analyzer.search.typical import durations_by_root, typical_ns
from longpole.analyzer.verdict import VerdictEntry, verdict_line
from longpole.analyzer.verdict_cause import cause_of, with_title
from longpole.model.clock import ManualClock
from longpole.model.query import TraceQuery
from longpole.storage.memory import MemoryStore
from tests.storage.span_examples import settle, span, submit_spans

NAMES = ("GET /cart", "a: b", "SELECT › x (1)", "50 %", "n_plus_one")


def entry(service: str, operation: str, detector: str | None, share: float) -> VerdictEntry:
    values = dict.fromkeys(VerdictEntry.__dataclass_fields__, "")
    return VerdictEntry(**{
        **values, "service": service, "operation": operation, "detector": detector,
        "share": share, "critical_ns": round(share * 1000), "span_ids": (), "severity": None,
        "summary": "48 queries: one after another.", "advice": "Do it at once. Then rest.",
    })  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("detector", [None, *sorted(d.identifier for d in DETECTORS)])
def test_the_figures_of_a_line_do_not_change_its_cause(name: str, detector: str | None) -> None:
    lines = [verdict_line([entry("shop", name, detector, share)]) for share in (0.741, 0.031)]
    first, second = (cause_of(line) for line in lines)
    assert first is not None
    assert second is not None
    assert first.key == second.key
    assert (first.detector or None) == detector
    assert first.place == f"shop › {name}"


def test_a_line_without_a_cause_has_none() -> None:
    assert cause_of("") is None
    assert cause_of("analysis failed") is None


def test_groups_have_counts_medians_and_their_slowest_first() -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    submit_spans(store, *(span(n, 1, end_unix_nano=span(n, 1).start_unix_nano + n * 1000)
                          for n in range(1, 7)))  # fmt: skip
    settle(store, clock)
    sample = sample_of(store, TraceQuery(limit=None))
    (group,) = causes_of(sample)
    assert (group["key"], group["count"], group["median_ns"], group["max_ns"]) == (
        UNKNOWN, 6, 3000, 6000,
    )  # fmt: skip
    assert [one[-1] for one in group["exemplars"]] == ["6", "5", "4"]
    assert of_cause(sample, UNKNOWN).ids() == sample.ids()
    assert of_cause(sample, "other").ids() == []
    (found,) = durations_by_root(sample.traces).items()
    assert (found[0], typical_ns(found[1])) == (("shop", "op1"), 3000)
    assert durations_by_root(sample.traces.slice(0, 4)) == {}


def test_a_line_names_its_detector_by_a_title() -> None:
    line = "shop › SELECT x 74 %: n_plus_one_db: 48 queries of n_plus_one_db: one by one."
    assert with_title(line, lambda identifier: f"<{identifier}>") == (
        "shop › SELECT x 74 %: <n_plus_one_db>: 48 queries of n_plus_one_db: one by one."
    )
    plain = "nothing unusual; 43 % in shop › GET /a (its own time)"
    assert with_title(plain, str.upper) == plain
