"""A parsed Go template as a tree of frozen nodes. `at` is where a node stands in the text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


class TemplateError(Exception):
    """A template that does not parse, or that cannot be executed; in Go's words."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A string, number, truth value or nil."""

    value: str | int | float | bool | None
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Dot:
    """`.`, or fields of it: `.Labels.job`."""

    fields: tuple[str, ...]
    at: int

    @property
    def text(self) -> str:
        return "." + ".".join(self.fields)


@dataclass(frozen=True, slots=True)
class Variable:
    """`$labels`, or fields of it."""

    name: str
    fields: tuple[str, ...]
    at: int

    @property
    def text(self) -> str:
        return ".".join((self.name, *self.fields))


@dataclass(frozen=True, slots=True)
class Function:
    """The name of a function."""

    name: str
    at: int

    @property
    def text(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Grouped:
    """`(pipeline)`, or fields of what it yields."""

    pipe: Pipe
    fields: tuple[str, ...]
    text: str
    at: int


Operand: TypeAlias = Constant | Dot | Variable | Function | Grouped


@dataclass(frozen=True, slots=True)
class Pipe:
    """Commands, each handing its value to the next. `variables` take the value; `is_assigning`
    with `=` in place of `:=`."""

    variables: tuple[str, ...]
    is_assigning: bool
    commands: tuple[tuple[Operand, ...], ...]
    at: int


@dataclass(frozen=True, slots=True)
class Literal:
    """Text between actions."""

    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """`{{ pipeline }}`."""

    pipe: Pipe


@dataclass(frozen=True, slots=True)
class Branch:
    """`if`, `with` or `range`."""

    keyword: str
    pipe: Pipe
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Leave:
    """`break` or `continue`."""

    keyword: str


@dataclass(frozen=True, slots=True)
class Include:
    """`{{ template "name" pipeline }}`."""

    name: str
    pipe: Pipe | None
    at: int


Node: TypeAlias = Literal | Action | Branch | Leave | Include


@dataclass(frozen=True, slots=True)
class Template:
    """A whole text: its own nodes, and those of the templates that it defines."""

    name: str
    text: str
    nodes: tuple[Node, ...]
    defined: Mapping[str, tuple[Node, ...]]

    def error(self, at: int, context: str, message: str) -> TemplateError:
        """What went wrong while a node was executed, as Go words it."""
        line = self.text.count("\n", 0, at) + 1
        start = self.text.rfind("\n", 0, at)
        before = self.text[start + 1 : at] if start >= 0 else self.text[:at]
        return TemplateError(
            f"template: {self.name}:{line}:{len(before.encode())}: "
            f'executing "{self.name}" at <{context}>: {message}'
        )
