"""Expressions back to text: on one line, or laid out as Prometheus' `format_query` does.

After promql/parser/printer.go and prettier.go of Prometheus 3.5.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from longpole.analyzer.promql.expressions import (
    Aggregation,
    Binary,
    Call,
    Expression,
    Matcher,
    Matching,
    MatchOp,
    MatrixSelector,
    Number,
    Paren,
    Shift,
    Subquery,
    Text,
    Unary,
    VectorSelector,
)
from longpole.analyzer.promql.numbers import written
from longpole.analyzer.promql.selectors import NAME
from longpole.analyzer.promql.tokens import UNITS_MS

# In characters; longer expressions are laid out on several lines.
LINE = 100
_INDENT = "  "
_PLAIN_METRIC = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_PLAIN_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPED = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t",
            "\v": "\\v", '"': '\\"', "\\": "\\\\"}  # fmt: skip


def formatted(node: Expression) -> str:
    """The expression on one line."""
    match node:
        case Number():
            return written(node.value)
        case Text():
            return quoted(node.value)
        case VectorSelector():
            return _selector(node) + _shift(node.shift)
        case MatrixSelector():
            selector = node.selector
            return f"{_selector(selector)}[{duration(node.range_ms)}]{_shift(selector.shift)}"
        case Subquery():
            return formatted(node.inner) + _subquery_end(node)
        case Paren():
            return f"({formatted(node.inner)})"
        case Unary():
            return node.op + formatted(node.inner)
        case Binary():
            return f"{formatted(node.left)} {_operator(node)} {formatted(node.right)}"
        case Aggregation():
            inner = [formatted(one) for one in (node.parameter, node.inner) if one is not None]
            return f"{_aggregation(node)}({', '.join(inner)})"
        case Call():
            return f"{node.name}({', '.join(map(formatted, node.arguments))})"


def prettified(node: Expression, level: int = 0) -> str:
    """The expression, in lines of at most `LINE` characters where it can be divided."""
    margin = _INDENT * level
    line = formatted(node)
    if isinstance(node, Unary):
        return f"{margin}{node.op}{prettified(node.inner, level).strip()}"
    if len(line.encode()) <= LINE:
        # Prometheus leaves out the margin here, and so do we: the layout is its own.
        return line if isinstance(node, Subquery) else margin + line
    match node:
        case Subquery():
            return prettified(node.inner, level) + _subquery_end(node)
        case Paren():
            return f"{margin}(\n{prettified(node.inner, level + 1)}\n{margin})"
        case Binary():
            left, right = prettified(node.left, level + 1), prettified(node.right, level + 1)
            return f"{left}\n{margin}{_operator(node)}\n{right}"
        case Aggregation():
            parts = [node.inner] if node.parameter is None else [node.parameter, node.inner]
            return f"{margin}{_aggregation(node)}(\n{_lines(parts, level + 1)}\n{margin})"
        case Call():
            return f"{margin}{node.name}(\n{_lines(node.arguments, level + 1)}\n{margin})"
    return margin + line


def duration(ms: int) -> str:
    """Milliseconds as Prometheus writes a duration: `1h30m`, `2w`, `0s`."""
    if ms == 0:
        return "0s"
    sign, left = ("-", -ms) if ms < 0 else ("", ms)
    found = ""
    for unit in ("y", "w", "d", "h", "m", "s", "ms"):
        size = UNITS_MS[unit]
        # Days and more only when nothing is left over: 90 minutes may be 1h30m, 8 days are 8d.
        if left < size or (unit in "ywd" and left % size):
            continue
        found += f"{left // size}{unit}"
        left %= size
    return sign + found


def quoted(text: str) -> str:
    """A string literal in Go's way."""
    return '"' + "".join(map(_character, text)) + '"'


def _character(one: str) -> str:
    if one in _ESCAPED:
        return _ESCAPED[one]
    if one == " " or one.isprintable():
        return one
    point = ord(one)
    if point < 0x80:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _lines(nodes: Iterable[Expression], level: int) -> str:
    return ",\n".join(prettified(node, level) for node in nodes)


def _selector(node: VectorSelector) -> str:
    name, given = "", list(node.matchers)
    # How the name was written (`m`, `{"m"}`, `{__name__="m"}`) is not kept: all are the same.
    is_named = bool(given) and given[0].label == NAME and given[0].op is MatchOp.EQUAL
    if is_named and _PLAIN_METRIC.fullmatch(given[0].value):
        name = given.pop(0).value
    return name + ("{" + ",".join(sorted(map(_matcher, given))) + "}" if given else "")


def _matcher(matcher: Matcher) -> str:
    return f"{_label(matcher.label)}{matcher.op}{quoted(matcher.value)}"


def _label(name: str) -> str:
    return name if _PLAIN_LABEL.fullmatch(name) else quoted(name)


def _labels(names: Iterable[str]) -> str:
    return ", ".join(map(_label, names))


def _shift(shift: Shift) -> str:
    at = f" @ {shift.anchor}()" if shift.anchor else ""
    if shift.fixed_ms is not None:
        at = f" @ {shift.fixed_ms / 1000:.3f}"
    return at + (f" offset {duration(shift.offset_ms)}" if shift.offset_ms else "")


def _subquery_end(node: Subquery) -> str:
    step = "" if node.step_ms is None else duration(node.step_ms)
    return f"[{duration(node.range_ms)}:{step}]{_shift(node.shift)}"


def _operator(node: Binary) -> str:
    return node.op + (" bool" if node.is_bool else "") + _matching(node.matching)


def _matching(matching: Matching) -> str:
    if not (matching.is_on or matching.labels):
        return ""
    found = f" {'on' if matching.is_on else 'ignoring'} ({_labels(matching.labels)})"
    if matching.group:
        found += f" group_{matching.group} ({_labels(matching.include)})"
    return found


def _aggregation(node: Aggregation) -> str:
    if node.is_without:
        return f"{node.op} without ({_labels(node.labels)}) "
    return f"{node.op} by ({_labels(node.labels)}) " if node.labels else node.op
