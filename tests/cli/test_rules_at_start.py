"""What a server says of its rules before it starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from loguru import logger

from longpole.cli.rule_service import checked_rules
from longpole.cli.settings import SettingRefused, resolve

RULES = "groups: [{name: g, rules: [{alert: A, expr: vector(1)}]}]"


def test_an_interval_of_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULES)
    settings = replace(resolve({}, {}), rules=(str(tmp_path / "rules.yml"),), rule_interval=0.0)
    with pytest.raises(SettingRefused, match="--rule-interval"):
        checked_rules(settings)


def test_a_mistake_in_the_alerting_file_is_found_without_rules_too(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text("alerting: {nonsense: 1}")
    with pytest.raises(SettingRefused, match="nonsense"):
        checked_rules(replace(resolve({}, {}), alerting=tmp_path / "p.yml"))


def test_receivers_without_rules_are_warned_about() -> None:
    lines: list[str] = []
    added = logger.add(lines.append, format="{message}")
    try:
        settings = replace(resolve({}, {}), alertmanager=("http://127.0.0.1:9093",))
        assert checked_rules(settings) is None
    finally:
        logger.remove(added)
    assert "there are no rules" in lines[0]
