"""The same rule files and rule tests, given to the real promtool and to ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from longpole.cli.rule_paths import read_file
from longpole.cli.rule_testing import duration_text, verdict_on
from tests.analyzer.alerting import promtool_peer as promtool
from tests.analyzer.alerting.bad_rules import BAD, GOOD
from tests.cli.command import run
from tests.flow.tools import requires

pytestmark = pytest.mark.usefixtures("promtool_is_here")
# The rules that are shipped are tested over hours of samples.
LONG = ("starter_test",)
TESTS = [
    pytest.param(file, marks=[pytest.mark.full] if file.stem in LONG else [], id=file.stem)
    for file in sorted(promtool.RULES.glob("*_test.yml"))
]


@pytest.fixture(scope="module")
def promtool_is_here() -> None:
    requires("sh", promtool.PROGRAM)


@pytest.mark.parametrize("file", TESTS)
def test_the_same_expectations_fail(file: Path) -> None:
    ours = verdict_on(file, lambda _: True, lambda: 0.0)
    theirs = promtool.failed(promtool.run_tests(file))
    assert not ours.problems
    # Of an expression promtool does not say in which test it stands.
    assert {
        ("" if one.kind == "expression" else one.test, one.subject, duration_text(one.at_ms))
        for one in ours.failures
    } == theirs


def test_templates_are_rendered_as_prometheus_renders_them() -> None:
    file = promtool.RULES / "templates_test.yml"
    theirs = promtool.rendered(promtool.run_tests(file))
    lines = [f"Labels:{line.removeprefix('labels ')}".replace("} annotations {", "} Annotations:{")
             for failure in verdict_on(file, lambda _: True, lambda: 0.0).failures
             for line in failure.got]  # fmt: skip
    ours = promtool.rendered("\n".join(["got:", *lines]))
    assert len(theirs) > 15
    assert ours == theirs


def test_files_are_accepted_and_refused_alike(tmp_path: Path) -> None:
    texts = [*GOOD, *BAD]
    files = [tmp_path / f"{place}.yml" for place in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    assert {file for file in files if read_file(file).problems} == promtool.refused(files)


def test_the_rules_that_are_shipped_are_valid_for_both(tmp_path: Path) -> None:
    file = tmp_path / "starter.yml"
    file.write_text(run("rules", "starter").stdout)
    read = read_file(file)
    assert read.rule_count >= 15
    assert not read.problems
    assert promtool.refused([file]) == set()


@pytest.mark.full
def test_the_tests_of_the_rules_that_are_shipped_pass() -> None:
    assert verdict_on(promtool.RULES / "starter_test.yml", lambda _: True, lambda: 0.0).is_passed
