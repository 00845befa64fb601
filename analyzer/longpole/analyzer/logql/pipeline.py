"""The stages of a query over one line after the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from longpole.analyzer.logql.expressions import (
    AllOf,
    AnyOf,
    Capture,
    Condition,
    Decolorize,
    Extract,
    Forget,
    LabelFilter,
    LabelFormat,
    LineFilter,
    LineFormat,
    Lines,
    LogStage,
    Matcher,
    Unwrap,
)
from longpole.analyzer.logql.extraction import capturing, json_labels, logfmt_labels, number_in
from longpole.analyzer.logql.labels import Record
from longpole.analyzer.logql.line_patterns import LinePattern, are_of_a_kind, line_pattern
from longpole.analyzer.logql.patterns import searches
from longpole.analyzer.logql.templates import expanded
from longpole.analyzer.logql.tokens import number_of

ERROR = "__error__"
NO_NUMBER = "SampleExtractionErr"
# Where promtail packs the line itself.
ENTRY = "_entry"
_COLOURS = re.compile(r"\x1b\[[0-9;:]*[A-Za-z]")


@dataclass(slots=True)
class Line:
    """A line on its way: `labels` are all it has, `added` those that stages gave it or changed;
    `number` is what was unwrapped."""

    record: Record
    text: str
    labels: dict[str, str]
    added: set[str]
    dropped: set[str]
    number: float = 0.0


Step = Callable[[Line], bool]


def selects(matchers: Sequence[Matcher]) -> Callable[[Record], bool]:
    """Whether the stream of a record is meant; a label that is missing is empty."""
    checks = [(matcher.name, _text_check(matcher.operator, matcher.value)) for matcher in matchers]
    return lambda record: all(check(record.stream.get(name, "")) for name, check in checks)


def compiled(lines: Lines) -> Callable[[Record], Line | None]:
    """What becomes of a record; None when it is filtered out."""
    is_meant = selects(lines.matchers)
    steps = [_step(stage) for stage in lines.stages]

    def run(record: Record) -> Line | None:
        if not is_meant(record):
            return None
        line = Line(record, record.line, {**record.metadata, **record.stream}, set(), set())
        return line if all(step(line) for step in steps) else None

    return run


def _step(stage: LogStage) -> Step:
    match stage:
        case LineFilter(operator, texts):
            is_wanted = operator.startswith("|")
            check = _line_check(operator[1], texts)
            return lambda line: check(line.text) == is_wanted
        case Extract("json", wanted):
            return lambda line: _extract(line, json_labels(line.text, wanted))
        case Extract("unpack"):
            return _unpack
        case Extract(_, wanted):
            return lambda line: _extract(line, logfmt_labels(line.text, wanted))
        case Capture(parser, text):
            capture = capturing(parser, text)
            return lambda line: _extract(line, capture(line.text))
        case Decolorize():
            return _decolorized
        case Unwrap(label, unit):
            return lambda line: _unwrapped(line, label, unit)
        case Forget():
            return _forgetting(stage)
        case LabelFormat(labels):
            return lambda line: _formatted(line, labels)
        case LineFormat(template):
            return lambda line: _rewritten(line, template)
        case LabelFilter() | AnyOf() | AllOf():
            met = _condition(stage)
            return lambda line: met(line.labels)


def _line_check(kind: str, texts: Sequence[str]) -> Callable[[str], bool]:
    if kind == "~":
        return searches(texts)
    if kind == ">":
        made = [line_pattern(text, needs_name=False) for text in texts]
        patterns = [one for one in made if isinstance(one, LinePattern)]
        return lambda line: are_of_a_kind(patterns, line)
    return lambda line: any(wanted in line for wanted in texts)


def _text_check(operator: str, value: str) -> Callable[[str], bool]:
    if operator in ("=", "=="):
        return lambda text: text == value
    if operator == "!=":
        return lambda text: text != value
    matches = searches((value,), whole=True)
    return matches if operator == "=~" else lambda text: not matches(text)


def _condition(condition: Condition) -> Callable[[dict[str, str]], bool]:
    match condition:
        case AnyOf(filters):
            some = [_condition(one) for one in filters]
            return lambda labels: any(one(labels) for one in some)
        case AllOf(filters):
            every = [_condition(one) for one in filters]
            return lambda labels: all(one(labels) for one in every)
        case LabelFilter(name, operator, str(value)):
            check = _text_check(operator, value)
            return lambda labels: check(labels.get(name, ""))
        case LabelFilter(name, operator, value):
            wanted = float(value)
            return lambda labels: _compares(operator, labels.get(name), wanted)


def _compares(operator: str, text: str | None, wanted: float) -> bool:
    number = None if text is None else number_of(text)
    if number is None:
        return False
    match operator:
        case "=" | "==":
            return number == wanted
        case "!=":
            return number != wanted
        case ">":
            return number > wanted
        case ">=":
            return number >= wanted
        case "<":
            return number < wanted
    return number <= wanted


def _extract(line: Line, found: dict[str, str] | str) -> bool:
    if isinstance(found, str):
        _add(line, ERROR, found)
        return True
    for name, value in found.items():
        # A label that the stream has already keeps its value.
        _add(line, f"{name}_extracted" if name in line.record.stream else name, value)
    return True


def _unpack(line: Line) -> bool:
    found = json_labels(line.text, ())
    if isinstance(found, dict) and ENTRY in found:
        line.text = found.pop(ENTRY)
    return _extract(line, found)


def _decolorized(line: Line) -> bool:
    line.text = _COLOURS.sub("", line.text)
    return True


def _unwrapped(line: Line, label: str, unit: str) -> bool:
    """A line without the label has no number; one whose label is none has 0 and says so."""
    text = line.labels.pop(label, "")
    if not text:
        return False
    number = number_in(text, unit)
    line.number = 0.0 if number is None else number
    if number is None:
        _add(line, ERROR, NO_NUMBER)
    return True


def _add(line: Line, name: str, value: str) -> None:
    line.labels[name] = value
    line.added.add(name)
    line.dropped.discard(name)


def _forgetting(stage: Forget) -> Step:
    checks = {
        name: None if matcher is None else _text_check(matcher.operator, matcher.value)
        for name, matcher in stage.labels
    }

    def meant(name: str, value: str) -> bool:
        check = checks.get(name)
        return name in checks and (check is None or check(value))

    def run(line: Line) -> bool:
        for name in [n for n, value in line.labels.items() if meant(n, value) != stage.is_keep]:
            del line.labels[name]
            line.added.discard(name)
            line.dropped.add(name)
        return True

    return run


def _formatted(line: Line, labels: Sequence[tuple[str, str, bool]]) -> bool:
    for name, source, is_template in labels:
        if is_template:
            _add(line, name, expanded(source, line.text, line.labels))
        elif source in line.labels:
            _add(line, name, line.labels.pop(source))
            line.added.discard(source)
            line.dropped.add(source)
    return True


def _rewritten(line: Line, template: str) -> bool:
    line.text = expanded(template, line.text, line.labels)
    return True
