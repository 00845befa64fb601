"""Reads YAML nodes as strictly as Prometheus does: unknown fields, doubled keys and wrong kinds are
errors, all of them collected, each with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from longpole.analyzer.alerting.yaml_nodes import Fields, Listing, Node, Place, Scalar
from longpole.analyzer.promql.tokens import LONGEST_MS, duration_ms

T = TypeVar("T")
_WHOLE = re.compile(r"[-+]?[0-9][0-9_]*(?:\.0*)?")
_TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False,
           "FALSE": False, "yes": True, "on": True, "no": False, "off": False}  # fmt: skip
_KINDS = {Listing: "a list", Fields: "a mapping"}
_ABSENT = Scalar("", True, Place())


def _shown(node: Node) -> str:
    return f"`{node.text[:40]}`" if isinstance(node, Scalar) else _KINDS[type(node)]


@dataclass(frozen=True, slots=True)
class Reading:
    """Collects what is wrong while a document is read; every method answers something of its type
    whatever is there, so that one pass finds all mistakes."""

    errors: list[tuple[Place, str]] = field(default_factory=list)

    def error(self, place: Place, message: str) -> None:
        """One thing that is wrong."""
        self.errors.append((place, message))

    def fields(
        self, node: Node | None, noun: str, known: Collection[str] | None
    ) -> dict[str, Node]:
        """A mapping by key, merges done; `known` None allows any key."""
        if node is None or (isinstance(node, Scalar) and node.is_null):
            return {}
        if not isinstance(node, Fields):
            self.error(node.place, f"cannot unmarshal {_shown(node)} into {noun}")
            return {}
        found: dict[str, Node] = {}
        lines: dict[str, int] = {}
        merged: list[Node] = []
        for key, value in node.entries:
            if not isinstance(key, Scalar):
                self.error(key.place, f"{_shown(key)} is no key of {noun}")
            elif key.text == "<<" and key.is_plain:
                merged.append(value)
            elif key.text in found:
                before = lines[key.text]
                self.error(
                    key.place, f'mapping key "{key.text[:80]}" already defined at line {before}'
                )
            elif known is not None and key.text not in known:
                self.error(key.place, f"field {key.text[:80]} not found in {noun}")
            else:
                found[key.text], lines[key.text] = value, key.place.line
        for one in merged:
            for inner in one.items if isinstance(one, Listing) else [one]:
                if isinstance(inner, Fields) and inner is not node:
                    for name, value in self.fields(inner, noun, known).items():
                        found.setdefault(name, value)
        return found

    def items(self, node: Node | None, noun: str) -> Iterator[Node]:
        """The items of a list, nulls left out."""
        if isinstance(node, Listing):
            yield from (one for one in node.items if not (isinstance(one, Scalar) and one.is_null))
        elif node is not None and not (isinstance(node, Scalar) and node.is_null):
            self.error(node.place, f"cannot unmarshal {_shown(node)} into a list of {noun}")

    def text(self, node: Node | None) -> str:
        """A scalar as written; "" for nothing."""
        return self.parsed(node, "a string", str, "")

    def texts(self, node: Node | None, noun: str) -> dict[str, str]:
        """A mapping of strings."""
        return {key: self.text(value) for key, value in self.fields(node, noun, None).items()}

    def duration(self, node: Node | None) -> int | None:
        """Milliseconds of `5m`; None for nothing."""
        return self.parsed(node, "a duration", duration_of, None)

    def whole(self, node: Node | None, default: int = 0) -> int:
        """An integer."""
        return self.parsed(node, "an integer", _whole_of, default)

    def number(self, node: Node | None, default: float) -> float:
        """A number, infinities and NaN among them."""
        return self.parsed(node, "a number", _number_of, default)

    def truth(self, node: Node | None, default: bool = False) -> bool:
        """True or false."""
        return self.parsed(node, "true or false", lambda text: _TRUTHS[text], default)

    def parsed(self, node: Node | None, noun: str, parse: Callable[[str], T], default: T) -> T:
        """A scalar that `parse` reads; `default` for nothing, and for what is wrong."""
        if node is None or (isinstance(node, Scalar) and node.is_null):
            return default
        if not isinstance(node, Scalar):
            self.error(node.place, f"cannot unmarshal {_shown(node)} into {noun}")
            return default
        try:
            return parse(node.text)
        except (ValueError, KeyError, OverflowError) as error:
            said = str(error) if isinstance(error, DurationError) else ""
            self.error(node.place, said or f"cannot unmarshal {_shown(node)} into {noun}")
            return default


class DurationError(ValueError):
    """A text that is no duration, in Prometheus' words."""


def duration_of(text: str) -> int:
    """Milliseconds of a duration as Prometheus' configuration has it; raises `DurationError`."""
    if text == "0":
        return 0
    if not text:
        raise DurationError("empty duration string")
    try:
        found = duration_ms(text)
    except ValueError:
        raise DurationError(f'not a valid duration string: "{text[:40]}"') from None
    if found > LONGEST_MS:
        raise DurationError("duration out of range")
    return found


def _whole_of(text: str) -> int:
    if not _WHOLE.fullmatch(text) or len(text) > 20:
        raise ValueError
    return int(text.partition(".")[0].replace("_", ""))


def _number_of(text: str) -> float:
    plain = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}.get(text.lower(), text)
    return float(plain)


def at(fields: Mapping[str, Node], name: str) -> Place:
    """Where the value of a field stands."""
    return fields.get(name, _ABSENT).place
