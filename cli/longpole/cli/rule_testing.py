"""Runs a file of rule tests and says how it went, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longpole.analyzer.alerting.rule_test_files import read_tests
from longpole.analyzer.alerting.rule_testing import Failure, run_tests
from longpole.analyzer.alerting.rules import RuleProblem
from longpole.cli.rule_paths import load, text_of


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the tests of one file went."""

    file: str
    tests: int
    failures: tuple[Failure, ...]
    problems: tuple[RuleProblem, ...]
    warnings: tuple[str, ...]

    @property
    def is_passed(self) -> bool:
        """Whether every test was run and nothing failed."""
        return not self.failures and not self.problems

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "file": self.file,
            "is_passed": self.is_passed,
            "tests": self.tests,
            "failures": [
                {
                    "test": one.test, "kind": one.kind, "subject": one.subject,
                    "eval_time_seconds": one.at_ms / 1000, "expected": list(one.expected),
                    "got": list(one.got), "error": one.error,
                }
                for one in self.failures
            ],
            "problems": [str(one) for one in self.problems],
            "warnings": list(self.warnings),
        }  # fmt: skip

    def lines(self) -> list[str]:
        """What failed, for people."""
        found = [str(one) for one in self.problems]
        for one in self.failures:
            name = f"name: {one.test}, " if one.test else ""
            noun = {"alert": "alertname", "expression": "expr", "rule": "rule"}[one.kind]
            found.append(f"    {name}{noun}: {one.subject}, time: {duration_text(one.at_ms)},")
            if one.error:
                found.append(f"        err: {one.error}")
                continue
            for noun, values in (("exp", one.expected), ("got", one.got)):
                found.append(f"        {noun}: {'nothing' if not values else ''}".rstrip())
                found += [f"            {value}" for value in values]
        return found


def verdict_on(
    path: Path, is_chosen: Callable[[str], bool], seconds: Callable[[], float]
) -> Verdict:
    """Run the tests of a file whose names are chosen."""
    text = text_of(path)
    if isinstance(text, RuleProblem):
        return Verdict(str(path), 0, (), (text,), ())
    file = read_tests(text, str(path))
    if file.problems:
        return Verdict(str(path), len(file.tests), (), file.problems, ())
    rules = load(file.rule_files, path.parent)
    warnings = tuple(f"no file match pattern {one}" for one in rules.missing)
    if rules.problems:
        return Verdict(str(path), len(file.tests), (), rules.problems, warnings)
    failures = run_tests(file, rules.groups, is_chosen, seconds)
    return Verdict(str(path), len(file.tests), tuple(failures), (), warnings)


def duration_text(ms: int) -> str:
    """`1h5m`, `30s`, `0s`."""
    found = ""
    for unit, scale in (("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)):
        count, ms = divmod(ms, scale)
        found += f"{count}{unit}" if count else ""
    return found or "0s"
