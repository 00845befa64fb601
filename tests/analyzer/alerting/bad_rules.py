"""Rule files with one mistake each, and odd ones without."""

from __future__ import annotations

_RULES = "groups:\n- name: a\n  rules:\n"

# Mistake by what the message has to say, and where.
MISTAKES: tuple[tuple[str, int, str], ...] = (
    (_RULES + "  - alert: X\n    expr: [1]\n", 5, "cannot unmarshal a list"),
    (_RULES + "  - alert: X\n    expr: 1\n    for: 5\n", 6, "not a valid duration"),
    (_RULES + '  - alert: X\n    expr: ""\n', 5, "field 'expr' must be set"),
    (_RULES + "  - alert: X\n    expr: 1\n    foo: 2\n", 6, "field foo not found"),
    (_RULES + "  - alert: X\n    expr: 1\n    expr: 2\n", 6, "already defined at line 5"),
    (_RULES + "  - alert: X\n    expr: 1\n    labels: [a]\n", 6, "cannot unmarshal a list"),
    (_RULES + "  - alert: X\n    expr: sum(\n", 5, "could not parse expression"),
    (_RULES + "  - record: X\n    expr: 1\n    for: 1m\n", 6, "invalid field 'for'"),
    (_RULES + "  - record: X\n    expr: 1\n    annotations: {a: b}\n", 6, "'annotations'"),
    (_RULES + "  - record: 'X{a=\"b\"}'\n    expr: 1\n", 4, "braces present"),
    (_RULES + "  - record: X\n    alert: Y\n    expr: 1\n", 5, "only one of"),
    (_RULES + "  - expr: 1\n", 4, "one of 'record' or 'alert'"),
    (_RULES + "  - alert: X\n    expr: 1\n    labels: {__name__: y}\n", 6, "invalid label name"),
    (_RULES + "  - alert: X\n    expr: 1\n    annotations: {'': y}\n", 6, "invalid annotation"),
    (_RULES + "  - alert: X\n    expr: 1\n    annotations: {s: '{{ $y }}'}\n", 6, "undefined"),
    (_RULES + "  - alert: X\n    expr: 1\n    annotations: {s: '{{ y }}'}\n", 6, "not defined"),
    (_RULES + "  - alert: X\n    expr: 1\n    labels: {s: '{{ if }}'}\n", 6, "missing value"),
    (_RULES + "  - alert: X\n    expr: 1\n    labels: {s: '{{ end }}'}\n", 6, "unexpected {{end}}"),
    ("groups:\n- name: a\n- name: a\n", 3, "repeated in the same file"),
    ("groups:\n- name: ''\n", 2, "must not be empty"),
    ("groups:\n- name: a\n  interval: 5x\n", 3, "not a valid duration"),
    ("groups:\n- name: a\n  query_offset: -5m\n", 3, "not a valid duration"),
    ("groups:\n- name: a\n  limit: x\n", 3, "cannot unmarshal `x` into an integer"),
    ("groups: {a: b}\n", 1, "cannot unmarshal a mapping into a list"),
    ("foo: 1\n", 1, "field foo not found"),
    ("[1]\n", 1, "cannot unmarshal a list"),
    ("groups:\n- name: a\n  rules: [\n", 4, "yaml:"),
    ("groups: *x\n", 1, "anchor"),
)
BAD = tuple(text for text, _, _ in MISTAKES)
GOOD = (
    "",
    "groups:\n",
    _RULES + "  - null\n",
    _RULES + "  - alert: X\n    expr: 1\n    for: 0\n",
    _RULES + "  - alert: 1\n    expr: 1\n    labels: {a: 1, b: true, c: 1.50, d: null}\n",
    _RULES + "  - alert: '{{ $x }}'\n    expr: 1\n    labels: {'a-b': x, ü: y}\n",
    _RULES + "  - record: 'a b é'\n    expr: metric[5m]\n",
    _RULES + "  - alert: X\n    expr: 1\n---\nanything: 1\n",
    "groups: &x\n- &y\n  name: a\n- <<: *y\n  name: b\n",
    "groups:\n- name: a\n  interval: 1h30m\n  limit: -5\n  query_offset: 1m\n",
)
