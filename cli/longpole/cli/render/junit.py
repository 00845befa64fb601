"""Checks as a JUnit report, which CI systems show."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from longpole.cli.gate_checks import Check
from longpole.cli.render.text import inert


def junit_report(checks: Sequence[Check]) -> str:
    """An XML document with one test case a check; what too few traces leave open is skipped."""
    failures = sum(not check.is_passed for check in checks)
    skipped = sum(check.is_open for check in checks)
    counts = {"tests": len(checks), "failures": failures, "skipped": skipped}
    suite = ElementTree.Element(
        "testsuite",
        {"name": "longpole diff", **{name: str(count) for name, count in counts.items()}},
    )
    for check in checks:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": "longpole.diff", "name": _text(check.name)}
        )
        if not check.is_passed:
            ElementTree.SubElement(case, "failure", {"message": _text(check.detail)})
        elif check.is_open:
            ElementTree.SubElement(case, "skipped", {"message": _text(check.detail)})
        else:
            ElementTree.SubElement(case, "system-out").text = _text(check.detail)
    ElementTree.indent(suite)
    body = ElementTree.tostring(suite, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _text(text: str) -> str:
    """Without what XML 1.0 cannot hold."""
    return "".join(
        "\ufffd" if character in "\ufffe\uffff" else character for character in inert(text)
    )
