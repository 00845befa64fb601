"""Executes a parsed Go template over the data of an alert."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from longpole.analyzer.alerting.go_templates import parse_template
from longpole.analyzer.alerting.go_values import (
    METHODS,
    AlertData,
    AnyMap,
    GoDuration,
    GoTime,
    Sample,
    Value,
    is_true,
    printed,
    type_name,
)
from longpole.analyzer.alerting.template_functions import (
    FUNCTIONS,
    LAZY,
    LONGEST,
    PREAMBLE,
    Surroundings,
    called,
)
from longpole.analyzer.alerting.template_nodes import (
    Action,
    Branch,
    Constant,
    Dot,
    Function,
    Grouped,
    Include,
    Leave,
    Literal,
    Node,
    Operand,
    Pipe,
    Template,
    TemplateError,
    Variable,
)

MOST_STEPS = 100_000
DEEPEST = 50


def expanded(name: str, text: str, data: AlertData, around: Surroundings) -> str:
    """The text of a template of a rule. Raises `TemplateError`."""
    if "{{" not in text:
        return text
    try:
        template = parse_template(f"__alert_{name}", PREAMBLE + text)
    except TemplateError as error:
        raise TemplateError(f"error parsing template __alert_{name}: {error}") from None
    try:
        return executed(template, data, around)
    except TemplateError as error:
        raise TemplateError(f"error executing template __alert_{name}: {error}") from None


def expanded_or_said(name: str, text: str, data: AlertData, around: Surroundings) -> str:
    """The same, and the failure as the text, as Prometheus has it."""
    try:
        return expanded(name, text, data, around)
    except TemplateError as error:
        return f"<error expanding template: {error}>"


def executed(template: Template, data: Value, around: Surroundings) -> str:
    """The output of a template for its data."""
    run = _Run(template, around)
    run.nodes(template.nodes, data, [("$", data)], 0)
    return "".join(run.output)


class _Left(Exception):
    """A `break` or `continue` on its way to its loop."""

    def __init__(self, keyword: str) -> None:
        self.keyword = keyword


Variables = list[tuple[str, Value]]
_DATA_FIELDS = {"Labels": "labels", "ExternalLabels": "external_labels",
                "ExternalURL": "external_url", "Value": "value"}  # fmt: skip


@dataclass(slots=True)
class _Run:
    """One execution; what it writes and how much it has done."""

    template: Template
    around: Surroundings
    output: list[str] = field(default_factory=list)
    size: int = 0
    steps: int = 0

    def nodes(self, nodes: Iterable[Node], dot: Value, variables: Variables, depth: int) -> None:
        held = len(variables)
        for node in nodes:
            self.step()
            match node:
                case Literal():
                    self.write(node.text)
                case Action():
                    value = self.pipe(node.pipe, dot, variables)
                    if not node.pipe.variables:
                        self.write(printed(value))
                case Branch():
                    self.branch(node, dot, variables, depth)
                case Include():
                    self.include(node, dot, variables, depth)
                case Leave():
                    raise _Left(node.keyword)
        del variables[held:]

    def step(self) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise TemplateError(f"more than {MOST_STEPS:,} steps")
        self.around.check_time()

    def write(self, text: str) -> None:
        self.size += len(text)
        if self.size > LONGEST:
            raise TemplateError(f"the text is longer than {LONGEST:,} characters")
        self.output.append(text)

    def include(self, node: Include, dot: Value, variables: Variables, depth: int) -> None:
        if node.name not in self.template.defined:
            raise self.template.error(
                node.at, f'{{{{template "{node.name}"}}}}', f'template "{node.name}" not defined'
            )
        if depth >= DEEPEST:
            raise self.template.error(node.at, node.name, "exceeded maximum template depth")
        inner = self.pipe(node.pipe, dot, variables) if node.pipe else None
        self.nodes(self.template.defined[node.name], inner, [("$", inner)], depth + 1)

    def branch(self, node: Branch, dot: Value, variables: Variables, depth: int) -> None:
        held = len(variables)
        value = self.pipe(node.pipe, dot, variables, is_range=node.keyword == "range")
        if node.keyword == "range":
            self.loop(node, value, dot, variables, depth)
        elif is_true(value):
            self.nodes(node.body, value if node.keyword == "with" else dot, variables, depth)
        else:
            self.nodes(node.otherwise, dot, variables, depth)
        del variables[held:]

    def loop(
        self, node: Branch, value: Value, dot: Value, variables: Variables, depth: int
    ) -> None:
        pairs: Iterable[tuple[Value, Value]]
        if isinstance(value, dict):
            pairs = [(key, value[key]) for key in sorted(value)]
        elif isinstance(value, list):
            pairs = list(enumerate(value))
        elif isinstance(value, int) and not isinstance(value, bool):
            pairs = ((place, place) for place in range(value))
        elif value is None:
            pairs = ()
        else:
            raise self.template.error(
                node.pipe.at, _source(node.pipe), f"range can't iterate over {printed(value)}"
            )
        is_empty = True
        for key, item in pairs:
            is_empty = False
            self.step()
            held = len(variables)
            names = node.pipe.variables
            values = (key, item) if len(names) == 2 else (item,)
            for name, one in zip(names, values, strict=False):
                _set(variables, name, one, node.pipe.is_assigning)
            try:
                self.nodes(node.body, item, variables, depth)
            except _Left as left:
                if left.keyword == "break":
                    del variables[held:]
                    break
            del variables[held:]
        if is_empty:
            self.nodes(node.otherwise, dot, variables, depth)

    def pipe(self, pipe: Pipe, dot: Value, variables: Variables, is_range: bool = False) -> Value:
        """The value of a pipeline; declares its variables unless a loop does."""
        value: Value = None
        for place, command in enumerate(pipe.commands):
            final = () if place == 0 else (value,)
            value = self.command(command, final, dot, variables)
        if not is_range:
            for name in pipe.variables:
                _set(variables, name, value, pipe.is_assigning)
        return value

    def command(
        self, command: tuple[Operand, ...], final: tuple[Value, ...], dot: Value, held: Variables
    ) -> Value:
        first, rest = command[0], command[1:]
        if isinstance(first, Function):
            return self.call(first, rest, final, dot, held)
        fields = () if isinstance(first, Constant) else first.fields
        if isinstance(first, Constant | Grouped) and not fields:
            if rest or final:
                raise self.template.error(
                    first.at, first.text, f"can't give argument to non-function {first.text}"
                )
            if isinstance(first, Constant) and first.value is None:
                raise self.template.error(first.at, "nil", "nil is not a command")
            return self.operand(first, dot, held)
        arguments = [*(self.operand(one, dot, held) for one in rest), *final]
        return self.operand(first, dot, held, arguments)

    def call(
        self, function: Function, rest: tuple[Operand, ...], final: tuple[Value, ...],
        dot: Value, held: Variables,
    ) -> Value:  # fmt: skip
        if function.name in LAZY:
            if not rest and not final:
                raise self.template.error(
                    function.at, function.name, f"wrong number of args for {function.name}:"
                    " want at least 1 got 0",
                )  # fmt: skip
            value: Value = None
            for one in rest:
                value = self.operand(one, dot, held)
                if is_true(value) == (function.name == "or"):
                    return value
            return final[0] if final else value
        kinds = FUNCTIONS[function.name][0] if function.name in FUNCTIONS else ()
        for one, kind in zip(rest, kinds, strict=False):
            if kind == "string" and isinstance(one, Constant) and not isinstance(one.value, str):
                raise self.template.error(one.at, one.text, f"expected string; found {one.text}")
        arguments = [*(self.operand(one, dot, held) for one in rest), *final]
        try:
            return called(function.name, self.around, arguments)
        except TemplateError as error:
            said = str(error)
            if not said.startswith(("wrong number of args", "wrong type for value", "template:")):
                said = f"error calling {function.name}: {said}"
            is_count = said.startswith("wrong number of args")
            shown = function.name if is_count else " ".join(one.text for one in (function, *rest))
            raise self.template.error(function.at, shown, said) from None
        except (OverflowError, ValueError) as error:
            raise self.template.error(
                function.at, function.name, f"error calling {function.name}: {error}"
            ) from None

    def operand(
        self, node: Operand, dot: Value, held: Variables, arguments: list[Value] | None = None
    ) -> Value:
        match node:
            case Constant():
                return node.value
            case Dot():
                value = dot
            case Variable():
                value = next(value for name, value in reversed(held) if name == node.name)
            case Function():
                return self.call(node, (), (), dot, held)
            case Grouped():
                value = self.pipe(node.pipe, dot, held)
        if arguments and not node.fields:
            raise self.template.error(
                node.at, node.text, f"can't give argument to non-function {node.text}"
            )
        for place, name in enumerate(node.fields):
            is_last = place == len(node.fields) - 1
            value = self.field(value, name, node, arguments or [] if is_last else [])
        return value

    def error_at(self, node: Operand, message: str) -> TemplateError:
        at = node.at + (len(node.name) if isinstance(node, Variable) else 0)
        return self.template.error(at, node.text, message)

    def field(self, value: Value, name: str, node: Operand, arguments: list[Value]) -> Value:
        """A field, an entry or a method of a value."""
        if isinstance(value, GoTime | GoDuration) and (type(value), name) in METHODS:
            try:
                return METHODS[type(value), name](value, *arguments)
            except (TypeError, OverflowError, ValueError):
                raise self.template.error(
                    node.at, node.text, f"wrong number or kind of args for {name}"
                ) from None
        found: Value
        if isinstance(value, AlertData) and name in _DATA_FIELDS:
            found = getattr(value, _DATA_FIELDS[name])
        elif isinstance(value, Sample) and name in ("Labels", "Value"):
            found = dict(value.labels) if name == "Labels" else value.value
        elif isinstance(value, dict):
            found = value.get(name, None if isinstance(value, AnyMap) else "")
        elif value is None:
            raise self.error_at(node, f'nil data; no entry for key "{name}"')
        else:
            kind = type_name(value)
            raise self.error_at(node, f"can't evaluate field {name} in type {kind}")
        if arguments:
            raise self.template.error(
                node.at, node.text,
                f"{name} has arguments but cannot be invoked as function",
            )  # fmt: skip
        return found


def _set(variables: Variables, name: str, value: Value, is_assigning: bool) -> None:
    if not is_assigning:
        variables.append((name, value))
        return
    for place in range(len(variables) - 1, -1, -1):
        if variables[place][0] == name:
            variables[place] = (name, value)
            return


def _source(pipe: Pipe) -> str:
    return " | ".join(" ".join(one.text for one in command) for command in pipe.commands)
