"""Reads Prometheus rule files: `groups:` of alerting and recording rules, as strictly as it does.

Source of the rules: Prometheus' `model/rulefmt`. A file is read to its end; every mistake is
reported with its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from longpole.analyzer.alerting.board import RuleKind
from longpole.analyzer.alerting.go_templates import TemplateError, parse_template
from longpole.analyzer.alerting.rules import Pairs, Rule, RuleGroup, RuleProblem
from longpole.analyzer.alerting.strict_fields import Reading, at
from longpole.analyzer.alerting.template_functions import PREAMBLE
from longpole.analyzer.alerting.yaml_nodes import Node, Place, YamlError, first_document
from longpole.analyzer.promql.query import parse
from longpole.analyzer.promql.refusals import QueryError
from longpole.analyzer.promql.selectors import NAME

# Aliases may make more rules than a file has lines.
MOST_RULES = 100_000
TOO_MANY = "more rules than one file may have"

_GROUP = ("name", "interval", "query_offset", "limit", "labels", "rules")
_RULE = ("record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations")


@dataclass(frozen=True, slots=True)
class ReadFile:
    """What a file holds; `groups` is to be used only without `problems`."""

    groups: tuple[RuleGroup, ...]
    problems: tuple[RuleProblem, ...]

    @property
    def rule_count(self) -> int:
        """How many rules the groups have together."""
        return sum(len(group.rules) for group in self.groups)


def read_rules(text: str, file: str, most_rules: int = MOST_RULES) -> ReadFile:
    """The rule groups of one file; `file` names it in problems. Never raises for its content."""
    reading = Reading()
    try:
        root = first_document(text)
    except YamlError as error:
        return ReadFile((), (RuleProblem(file, error.line, 1, f"yaml: {error}"),))
    top = reading.fields(root, "a rule file", ("groups",))
    groups: list[RuleGroup] = []
    for node in reading.items(top.get("groups"), "groups"):
        fields = reading.fields(node, "a group", _GROUP)
        left = most_rules - sum(len(one.rules) for one in groups)
        groups.append(_group(reading, node, fields, file, {one.name for one in groups}, left))
        if reading.errors and reading.errors[-1][1] == TOO_MANY:
            break
    problems = [RuleProblem(file, place.line, place.column, said) for place, said in reading.errors]
    return ReadFile(tuple(groups), tuple(problems))


def _group(
    reading: Reading, node: Node, fields: Mapping[str, Node], file: str, taken: set[str], left: int
) -> RuleGroup:
    name = reading.text(fields.get("name"))
    if not name:
        reading.error(node.place, "Groupname must not be empty")
    elif name in taken:
        reading.error(at(fields, "name"), f'groupname: "{name}" is repeated in the same file')
    labels = reading.texts(fields.get("labels"), "labels")
    for label in labels:
        if not is_label_name(label):
            reading.error(at(fields, "labels"), f"invalid label name: {label}")
    rules: list[Rule] = []
    for inner in reading.items(fields.get("rules"), "rules"):
        if len(rules) >= left:
            reading.error(inner.place, TOO_MANY)
            break
        place = f'group "{name}", rule {len(rules) + 1}'
        rules.append(_rule(reading, inner, place, labels))
    return RuleGroup(
        name,
        file,
        tuple(rules),
        reading.duration(fields.get("interval")) or None,
        reading.whole(fields.get("limit")),
        reading.duration(fields.get("query_offset")),
    )


_NOTHING = parse("vector(0)")


def _rule(reading: Reading, node: Node, where: str, group_labels: Mapping[str, str]) -> Rule:
    fields = reading.fields(node, "a rule", _RULE)
    record, alert = reading.text(fields.get("record")), reading.text(fields.get("alert"))
    name = record or alert
    where = f'{where}, "{name}"'

    def wrong(place: Place, message: str) -> None:
        reading.error(place if place.line else node.place, f"{where}: {message}")

    if record and alert:
        wrong(at(fields, "alert"), "only one of 'record' and 'alert' must be set")
    if not name:
        wrong(node.place, "one of 'record' or 'alert' must be set")
    query = reading.text(fields.get("expr"))
    expression = _NOTHING
    if not query:
        wrong(at(fields, "expr"), "field 'expr' must be set in rule")
    else:
        try:
            expression = parse(query)
        except QueryError as error:
            wrong(at(fields, "expr"), f"could not parse expression: {error}")
    annotations = reading.texts(fields.get("annotations"), "annotations")
    for_ms = reading.duration(fields.get("for")) or 0
    keep_ms = reading.duration(fields.get("keep_firing_for")) or 0
    if record:
        alerts_only = {"annotations": annotations, "for": for_ms, "keep_firing_for": keep_ms}
        for field, given in alerts_only.items():
            if given:
                wrong(at(fields, field), f"invalid field '{field}' in recording rule")
        if "{" in record or "}" in record:
            wrong(
                at(fields, "record"),
                f"braces present in the recording rule name; should it be in expr?: {record}",
            )
    labels = reading.texts(fields.get("labels"), "labels")
    for label, value in labels.items():
        if not is_label_name(label):
            wrong(at(fields, "labels"), f"invalid label name: {label}")
        if not is_utf8(value):
            wrong(at(fields, "labels"), f"invalid label value: {value!r}")
    for annotation in annotations:
        if not annotation:
            wrong(at(fields, "annotations"), "invalid annotation name: ")
    if alert and not record:
        for kind, texts in (("label", labels), ("annotation", annotations)):
            for key, text in texts.items():
                try:
                    parse_template(f"__alert_{alert}", PREAMBLE + text)
                except TemplateError as error:
                    wrong(at(fields, f"{kind}s"), f'{kind} "{key}": {error}')
    return Rule(
        RuleKind.RECORDING if record else RuleKind.ALERTING,
        name,
        query,
        expression,
        for_ms,
        keep_ms,
        _merged(group_labels, labels),
        tuple(annotations.items()),
    )


def _merged(group: Mapping[str, str], own: Mapping[str, str]) -> Pairs:
    return tuple({**group, **own}.items())


def is_utf8(text: str) -> bool:
    """Whether a text can be written out (no lone surrogates)."""
    return not re.search("[\ud800-\udfff]", text)


def is_label_name(name: str) -> bool:
    """Any UTF-8 text, as Prometheus 3 has it, but not the name of the metric."""
    return bool(name) and name != NAME and is_utf8(name)
