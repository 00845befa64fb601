from __future__ import annotations

import pytest

from longpole.analyzer.alerting.rule_files import TOO_MANY, read_rules
from tests.analyzer.alerting.bad_rules import GOOD, MISTAKES


@pytest.mark.parametrize(("text", "line", "words"), MISTAKES)
def test_a_mistake_is_named_with_its_line(text: str, line: int, words: str) -> None:
    problems = read_rules(text, "rules.yml").problems
    assert [one.line for one in problems][:1] == [line]
    assert words in problems[0].message


def test_odd_but_valid_files_are_read() -> None:
    for text in GOOD:
        assert read_rules(text, "rules.yml").problems == (), text


def test_labels_keep_the_text_that_was_written_and_the_rule_wins_over_its_group() -> None:
    found = read_rules(
        "groups:\n- name: g\n  labels: {team: a, x: 01}\n  rules:\n"
        "  - {alert: A, expr: up, labels: {x: 1.50}, for: 1h30m}\n",
        "rules.yml",
    )
    rule = found.groups[0].rules[0]
    assert dict(rule.labels) == {"team": "a", "x": "1.50"}
    assert rule.for_ms == 5_400_000


@pytest.mark.full
def test_a_file_of_ten_thousand_rules_is_read() -> None:
    rules = "".join(
        f"  - {{record: 'a:b{n}', expr: 'sum(rate(x{{n=\"{n}\"}}[5m]))'}}\n" for n in range(10_002)
    )
    found = read_rules(f"groups:\n- name: g\n  rules:\n{rules}", "rules.yml")
    assert found.problems == ()
    assert found.rule_count == 10_002


def test_aliases_cannot_make_more_rules_than_a_file_may_have() -> None:
    text = (
        "groups:\n- name: a\n  rules: &r [" + "{record: a, expr: 1}," * 2000 + "]\n"
        + "".join(f"- {{name: b{n}, rules: *r}}\n" for n in range(100))
    )  # fmt: skip
    assert read_rules(text, "rules.yml", most_rules=2500).problems[0].message == TOO_MANY


def test_deep_nesting_is_refused() -> None:
    assert "nested deeper" in read_rules("[" * 5000, "rules.yml").problems[0].message
