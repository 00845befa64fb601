"""Relabelling of alerts as Prometheus does it."""

from __future__ import annotations

from typing import Any

import pytest

from longpole.analyzer.alerting.relabelling import BadRelabelling, relabel_step, relabelled

LABELS = (("a", "foo"), ("b", "bar"), ("c", "baz"))


def after(*steps: dict[str, Any]) -> dict[str, str] | None:
    found = relabelled(LABELS, [relabel_step(step) for step in steps])
    return None if found is None else dict(found)


# Cases of Prometheus' own tests (model/relabel/relabel_test.go), written anew.
@pytest.mark.parametrize(
    ("step", "changed"),
    [
        ({"source_labels": ["a"], "regex": "f(.*)", "target_label": "d",
          "replacement": "ch${1}-ch${1}"}, {"d": "choo-choo"}),
        ({"source_labels": ["a", "b"], "regex": "f(.*);(.*)r", "target_label": "a",
          "replacement": "b${1}${2}m"}, {"a": "boobam"}),
        ({"source_labels": ["a"], "regex": "o", "target_label": "d"}, {}),
        ({"target_label": "d", "replacement": "static"}, {"d": "static"}),
        ({"source_labels": ["a"], "regex": "(f).*", "target_label": "${1}",
          "replacement": "$$1"}, {"f": "$1"}),
        ({"source_labels": ["a"], "target_label": "b", "replacement": ""}, {"b": None}),
        ({"action": "labelmap", "regex": "(b.*|c)", "replacement": "my_$1"},
         {"my_b": "bar", "my_c": "baz"}),
        ({"action": "labeldrop", "regex": "(b.*)"}, {"b": None}),
        ({"action": "labelkeep", "regex": "a"}, {"b": None, "c": None}),
        ({"action": "uppercase", "source_labels": ["a"], "target_label": "a"}, {"a": "FOO"}),
        ({"action": "keep", "source_labels": ["a"], "regex": "fo+"}, {}),
        ({"action": "hashmod", "source_labels": ["c"], "target_label": "d", "modulus": 1000},
         {"d": "976"}),
    ],
)  # fmt: skip
def test_a_step_changes_labels(step: dict[str, Any], changed: dict[str, str | None]) -> None:
    wanted = {**dict(LABELS), **changed}
    assert after(step) == {name: value for name, value in wanted.items() if value is not None}


@pytest.mark.parametrize(
    "step",
    [
        {"action": "drop", "source_labels": ["a"], "regex": ".*o.*"},
        {"action": "keep", "source_labels": ["a"], "regex": "o"},
        {"action": "keepequal", "source_labels": ["a"], "target_label": "b"},
        {"action": "dropequal", "source_labels": ["a"], "target_label": "a"},
    ],
)
def test_a_step_drops_the_alert(step: dict[str, Any]) -> None:
    assert after({"target_label": "x", "replacement": "y"}, step) is None


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"action": "explode"}, "unknown relabel action"),
        ({"source_labels": ["a"]}, "requires target_label"),
        ({"action": "hashmod", "target_label": "d"}, "non-zero modulus"),
        ({"action": "drop", "regex": "("}, "regular expression"),
        ({"action": "drop", "source": "a"}, "field source is not known"),
        ({"action": "drop", "source_labels": "a"}, "is a list"),
        ("drop", "is a mapping"),
    ],
)
def test_a_step_without_sense_is_refused(step: Any, words: str) -> None:
    with pytest.raises(BadRelabelling, match=words):
        relabel_step(step)
