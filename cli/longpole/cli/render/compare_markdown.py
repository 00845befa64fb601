"""A check as Markdown, to be put under a change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from longpole.cli.gate_checks import Check
from longpole.cli.render.compare import MOST_TERMS, predicate, signed
from longpole.cli.render.text import inert, name_of, sentence_of
from longpole.dashboards.figures import duration, plural

# What would be markup in a line or in a cell of a table.
_MARKUP = {ord(c): f"\\{c}" for c in "\\`*_{}[]()<>#+!|~@&"}


def diff_markdown(document: Mapping[str, Any], checks: Sequence[Check]) -> str:
    """Checks, figures, terms and causes. Names from telemetry cannot become markup."""
    lines = [f"### Longpole: {_escaped(sentence_of(document['verdict_line']))}", ""]
    lines += ["| | check | |", "| --- | --- | --- |"]
    lines += [
        f"| {_mark(check)} | {_escaped(check.name)} | {_escaped(sentence_of(check.detail))} |"
        for check in checks
    ]
    base, head, compared = document["base"], document["head"], document["compared"]
    if compared["base_traces"] and compared["head_traces"]:
        lines += ["", "| | base | head | change |", "| --- | ---: | ---: | ---: |"]
        for name in ("mean", "p50", "p95", "p99"):
            before, after = base[f"{name}_ns"], head[f"{name}_ns"]
            lines.append(
                f"| {name} | {duration(before)} | {duration(after)} | {signed(after - before)} |"
            )
    if document["terms"]:
        lines += _terms(document)
    for change in document["attributes"]:
        where = f"{name_of(change['service'])} › {name_of(change['operation'])}"
        lines += ["", f"Why {_escaped(where)} changed by {signed(change['difference_ns'])}:", ""]
        lines += [
            f"- {signed(cause['explained_ns'])} with {_escaped(predicate(cause))}"
            for cause in change["causes"]
        ]
        if change["note"]:
            lines.append(f"- {change['note']}")
        lines += [
            f"- only in {mark['side']}: {_escaped(predicate(mark))}" for mark in change["marks"]
        ]
    coverage = base["coverage"], head["coverage"]
    lines += ["", f"{plural(coverage[0]['used'], 'trace')} of base (of {coverage[0]['matched']:,} "
              f"that match), {plural(coverage[1]['used'], 'trace')} of head (of "
              f"{coverage[1]['matched']:,})."]  # fmt: skip
    lines += [f"Note: {_escaped(inert(notice))}" for notice in document["notices"]]
    return "\n".join(lines)


def _mark(check: Check) -> str:
    return "❔" if check.is_open else "✅" if check.is_passed else "❌"


def _terms(document: Mapping[str, Any]) -> list[str]:
    terms = document["terms"]
    lines = ["", "| what changed | service | operation | time | |"]
    lines.append("| --- | --- | --- | ---: | --- |")
    for term in terms[:MOST_TERMS]:
        names = " | ".join(_escaped(name_of(term[name])) for name in ("service", "operation"))
        noise = "" if term["is_real"] else "may be noise"
        lines.append(f"| {term['words']} | {names} | {signed(term['difference_ns'])} | {noise} |")
    rest = terms[MOST_TERMS:]
    if rest:
        amount = signed(sum(term["difference_ns"] for term in rest))
        lines.append(f"| {plural(len(rest), 'more term')} | | | {amount} | |")
    lines.append(f"| **all** | | | **{signed(document['compared']['difference_ns'])}** | |")
    return lines


def _escaped(text: str) -> str:
    return text.translate(_MARKUP)
