"""Versions side by side: the newer one is slower or fails more, and by no chance."""

from __future__ import annotations

import pytest

from longpole.analyzer.findings.window.version_regression import DETECTOR, version_order
from tests.analyzer.findings.window.scenes import MS, Scene


def versions(*told: tuple[str, list[float], int]) -> Scene:
    """For each version the milliseconds of its requests, and how many of them fail."""
    scene = Scene()
    for version, durations, failed in told:
        for number, ms in enumerate(durations):
            trace = len(scene.spans) + 1
            scene.add(
                trace, trace * 50, trace * 50 + ms, "rank", "GET /rank",
                error="defect" if number < failed else None,
                resource={"service.version": version},
            )  # fmt: skip
    return scene


OLD = [10.0 + n % 7 for n in range(20)]


def test_a_slower_new_version_is_found() -> None:
    found = versions(("1.9.0", OLD, 0), ("1.10.0", [200.0 + n for n in range(6)], 1)).only(DETECTOR)
    assert (found.service, found.operation) == ("rank", "GET /rank")
    assert "Version 1.10.0" in found.reason
    assert "17 %" in found.reason
    assert max(found.excess_ns) == (205 - 13) * MS


def test_a_new_version_that_fails_more_is_found() -> None:
    found = versions(("1", OLD * 3, 1), ("2", OLD, 8)).only(DETECTOR)
    assert "fails 40 % of its requests instead of 1.7 %" in found.reason


def test_a_slower_old_version_is_no_regression() -> None:
    assert versions(("1.0", [200.0] * 9, 0), ("1.1", OLD, 0)).findings(DETECTOR) == []


@pytest.mark.parametrize(
    "new",
    [
        [11.0 + n % 7 for n in range(20)],  # hardly slower
        [200.0] * 3,  # too few
        [10.0 + n % 7 for n in range(9)] + [900.0, 800.0],  # two outliers
    ],
)
def test_what_may_be_chance_is_not_told(new: list[float]) -> None:
    assert versions(("1.0", OLD, 0), ("1.1", new, 0)).findings(DETECTOR) == []


def test_hashes_have_an_order_once_one_is_new() -> None:
    scene = versions(("4f1c2aa", OLD, 0), ("9be0d31", [300.0] * 8, 0))
    assert scene.findings(DETECTOR) == []
    for n in range(3):
        scene.add(
            900 + n, -1_000, -990, "rank", "GET /rank", resource={"service.version": "4f1c2aa"}
        )
    assert "Version 9be0d31" in scene.only(DETECTOR).reason


def test_versions_sort_as_people_count() -> None:
    told = ["1.9.0", "1.10.0-rc1", "1.10.0", "v1.10.1", "2.0"]
    assert sorted(told, key=lambda text: version_order(text) or ()) == told
    assert version_order("4f1c2aa") is None
