"""Prometheus' relabelling: labels of alerts changed, or alerts dropped, before they are sent.

Source of the semantics: Prometheus' `model/relabel`. Regular expressions match the whole value.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import re2

from longpole.analyzer.promql.series import Labels, labels_of
from longpole.model.problem import LongpoleError

ACTIONS = (
    "replace", "keep", "drop", "keepequal", "dropequal", "hashmod", "labelmap", "labeldrop",
    "labelkeep", "lowercase", "uppercase",
)  # fmt: skip
_DEFAULT_REGEX = "(.*)"
_NEEDS_TARGET = ("replace", "hashmod", "lowercase", "uppercase", "keepequal", "dropequal")
_GROUP = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\})")
_FIELDS = frozenset({
    "source_labels", "separator", "target_label", "regex", "modulus", "replacement", "action",
})  # fmt: skip


class BadRelabelling(LongpoleError):
    """A step that makes no sense; the message says why."""


@dataclass(frozen=True, slots=True)
class RelabelStep:
    """One entry of `relabel_configs`."""

    action: str = "replace"
    source_labels: tuple[str, ...] = ()
    separator: str = ";"
    regex: str = _DEFAULT_REGEX
    target_label: str = ""
    replacement: str = "$1"
    modulus: int = 0


def relabel_step(written: Any) -> RelabelStep:
    """One entry as YAML has it. Raises `BadRelabelling`."""
    if not isinstance(written, Mapping):
        raise BadRelabelling("an entry is a mapping")
    for name in written:
        if name not in _FIELDS:
            raise BadRelabelling(f"field {str(name)[:80]} is not known")
    sources = written.get("source_labels") or ()
    if not isinstance(sources, Sequence) or isinstance(sources, str):
        raise BadRelabelling("source_labels is a list")
    step = RelabelStep(
        str(written.get("action", "replace")).lower(),
        tuple(str(name) for name in sources),
        str(written.get("separator", ";")),
        str(written.get("regex", _DEFAULT_REGEX)),
        str(written.get("target_label", "")),
        str(written.get("replacement", "$1")),
        written.get("modulus", 0),
    )
    if step.action not in ACTIONS:
        raise BadRelabelling(f"unknown relabel action {step.action[:80]!r}")
    if step.action in _NEEDS_TARGET and not step.target_label:
        raise BadRelabelling(
            f"relabel configuration for {step.action} action requires target_label"
        )
    if step.action == "hashmod" and not (isinstance(step.modulus, int) and step.modulus > 0):
        raise BadRelabelling("relabel configuration for hashmod requires non-zero modulus")
    try:
        _compiled(step.regex)
    except re2.error:
        raise BadRelabelling(f"invalid regular expression {step.regex[:200]!r}") from None
    return step


def relabelled(labels: Labels, steps: Sequence[RelabelStep]) -> Labels | None:
    """Labels after every step, None when one of them drops the alert."""
    held = dict(labels)
    for step in steps:
        if not _is_kept(held, step):
            return None
    return labels_of(held)


def _is_kept(held: dict[str, str], step: RelabelStep) -> bool:
    """Changes the labels; whether what has them stays."""
    value = step.separator.join(held.get(name, "") for name in step.source_labels)
    match step.action:
        case "keep":
            return _compiled(step.regex).fullmatch(value) is not None
        case "drop":
            return _compiled(step.regex).fullmatch(value) is None
        case "keepequal":
            return held.get(step.target_label, "") == value
        case "dropequal":
            return held.get(step.target_label, "") != value
        case "lowercase":
            held[step.target_label] = value.lower()
        case "uppercase":
            held[step.target_label] = value.upper()
        case "hashmod":
            digest = hashlib.md5(value.encode(), usedforsecurity=False).digest()
            held[step.target_label] = str(int.from_bytes(digest[8:]) % step.modulus)
        case "labeldrop" | "labelkeep":
            pattern = _compiled(step.regex)
            is_keep = step.action == "labelkeep"
            for name in [n for n in held if (pattern.fullmatch(n) is not None) != is_keep]:
                del held[name]
        case "labelmap":
            for name, found in list(held.items()):
                if (match := _compiled(step.regex).fullmatch(name)) is not None:
                    held[_filled(step.replacement, match)] = found
        case _:
            _replace(held, step, value)
    return True


def _replace(held: dict[str, str], step: RelabelStep, value: str) -> None:
    match = _compiled(step.regex).fullmatch(value)
    if match is None:
        return
    target = _filled(step.target_label, match)
    if target:
        held[target] = _filled(step.replacement, match)


def _filled(template: str, match: Any) -> str:
    """Go's `$1`, `${1}`, `${name}` and `$$`; a group that there is not is empty."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name is None:
            return "$"
        try:
            return match.group(int(name) if name.isdigit() else name) or ""
        except (IndexError, re2.error, KeyError):
            return ""

    return _GROUP.sub(value, template)


def _compiled(pattern: str) -> re2._Regexp:
    options = re2.Options()
    options.dot_nl = True
    options.max_mem = 8 << 20
    options.log_errors = False
    return re2.compile(f"^(?:{pattern})$", options)
