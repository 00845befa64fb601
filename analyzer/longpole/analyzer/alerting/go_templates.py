"""Parses Go's text/template language: actions, pipelines, variables, control structures, defined
templates. Source of the grammar: Go's `text/template/parse`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from longpole.analyzer.alerting.template_functions import FUNCTION_NAMES
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
    Variable,
)
from longpole.analyzer.alerting.template_nodes import TemplateError as TemplateError
from longpole.analyzer.alerting.template_tokens import Token, line_error, template_tokens
from longpole.analyzer.promql.tokens import unquoted

DEEPEST = 40


@lru_cache(maxsize=8192)
def parse_template(name: str, text: str) -> Template:
    """The tree of a text; `name` stands in messages. Raises `TemplateError`."""
    return _Parser(name, text).template()


class _Parser:
    """One pass over the tokens of one text."""

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = name, text
        self._tokens = list(template_tokens(name, text))
        self._at = 0
        self._variables = ["$"]
        self._defined: dict[str, tuple[Node, ...]] = {}
        self._depth = self._loops = 0

    def template(self) -> Template:
        nodes, ended_by = self._nodes(())
        assert ended_by.kind == "end"
        defined: Mapping[str, tuple[Node, ...]] = dict(self._defined)
        return Template(self._name, self._text, nodes, defined)

    # Tokens.

    def _error(self, token: Token, message: str) -> Exception:
        return line_error(self._name, self._text, token.at, message)

    def _next(self) -> Token:
        token = self._tokens[self._at]
        if token.kind != "end":
            self._at += 1
        return token

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _skip_space(self) -> Token:
        while self._peek().kind == "space":
            self._at += 1
        return self._peek()

    def _close(self, where: str) -> None:
        token = self._skip_space()
        if token.kind != "close":
            raise self._error(token, f"unexpected {_shown(token)} in {where}")
        self._at += 1

    # Nodes.

    def _nodes(self, enders: tuple[str, ...]) -> tuple[tuple[Node, ...], Token]:
        """Nodes up to a keyword of `enders` (read, its action not closed) or the end."""
        self._depth += 1
        found: list[Node] = []
        while True:
            token = self._next()
            if self._depth > DEEPEST:
                raise self._error(token, "nested too deep")
            if token.kind == "end":
                if enders:
                    raise self._error(token, "unexpected EOF")
                self._depth -= 1
                return tuple(found), token
            if token.kind == "text":
                found.append(Literal(token.text))
                continue
            word = self._skip_space()
            if word.kind == "word" and word.text in ("end", "else"):
                self._at += 1
                if word.text not in enders:
                    raise self._error(word, f"unexpected {{{{{word.text}}}}}")
                self._depth -= 1
                return tuple(found), word
            node = self._action(word)
            if node is not None:
                found.append(node)

    def _action(self, word: Token) -> Node | None:
        keyword = word.text if word.kind == "word" else ""
        if keyword in ("if", "with", "range"):
            self._at += 1
            return self._branch(keyword, word)
        if keyword in ("break", "continue"):
            self._at += 1
            if not self._loops:
                raise self._error(word, f"{{{{{keyword}}}}} outside {{{{range}}}}")
            self._close(f"{{{{{keyword}}}}}")
            return Leave(keyword)
        if keyword in ("template", "block", "define"):
            self._at += 1
            return self._named(keyword, word)
        pipe = self._pipe("command", ("close",))
        self._at += 1
        return Action(pipe)

    def _branch(self, keyword: str, word: Token) -> Branch:
        held = len(self._variables)
        self._loops += keyword == "range"
        pipe = self._pipe(keyword, ("close",))
        self._at += 1
        body, ended_by = self._nodes(("end", "else"))
        self._loops -= keyword == "range"
        otherwise: tuple[Node, ...] = ()
        if ended_by.text == "else":
            following = self._skip_space()
            if keyword != "range" and following.kind == "word" and following.text == keyword:
                self._at += 1
                self._depth += 1
                if self._depth > DEEPEST:
                    raise self._error(following, "nested too deep")
                otherwise = (self._branch(keyword, following),)
                self._depth -= 1
                del self._variables[held:]
                return Branch(keyword, pipe, body, otherwise, word.at)
            self._close("else")
            otherwise, ended_by = self._nodes(("end",))
        self._close("end")
        del self._variables[held:]
        return Branch(keyword, pipe, body, otherwise, word.at)

    def _named(self, keyword: str, word: Token) -> Node | None:
        token = self._skip_space()
        if token.kind not in ("string", "raw"):
            raise self._error(token, f"unexpected {_shown(token)} in {keyword} clause")
        self._at += 1
        name = self._unquoted(token)
        pipe = None
        if keyword != "define" and self._skip_space().kind != "close":
            pipe = self._pipe(f"{keyword} clause", ("close",))
        self._close(f"{keyword} clause")
        if keyword == "template":
            return Include(name, pipe, word.at)
        outer, self._variables = self._variables, ["$"]
        loops, self._loops = self._loops, 0
        body, _ = self._nodes(("end",))
        self._close("end")
        self._variables, self._loops = outer, loops
        self._defined[name] = body
        return Include(name, pipe, word.at) if keyword == "block" else None

    # Pipelines.

    def _pipe(self, where: str, enders: tuple[str, ...]) -> Pipe:
        """A pipeline up to a token of `enders`, which stays to be read."""
        start = self._skip_space()
        names, is_assigning = self._declared(where)
        commands: list[tuple[Operand, ...]] = []
        while True:
            token = self._skip_space()
            if token.kind in enders:
                break
            if token.kind in ("close", "end", "|", ")", ",", ":=", "="):
                raise self._error(token, f"unexpected {_shown(token)} in {where}")
            command = self._command(where)
            if commands and isinstance(command[0], Constant):
                raise self._error(
                    token, f"non executable command in pipeline stage {len(commands) + 1}"
                )
            commands.append(command)
            if self._skip_space().kind == "|":
                self._at += 1
                if self._skip_space().kind in enders:
                    raise self._error(self._peek(), f"missing value for {where}")
        if not commands:
            raise self._error(start, f"missing value for {where}")
        for name in names:
            if not is_assigning:
                self._variables.append(name)
        return Pipe(names, is_assigning, tuple(commands), start.at)

    def _declared(self, where: str) -> tuple[tuple[str, ...], bool]:
        """`$a :=`, `$a, $b :=` (of range only) or `$a =` at the start of a pipeline."""
        held = self._at
        names: list[str] = []
        while self._skip_space().kind == "variable":
            names.append(self._next().text)
            sign = self._skip_space()
            if sign.kind in (":=", "="):
                if sign.kind == "=":
                    for name in names:
                        self._known(name, sign)
                self._at += 1
                if len(names) > (2 if where == "range" else 1):
                    raise self._error(sign, f"too many declarations in {where}")
                return tuple(names), sign.kind == "="
            if sign.kind != "," or where != "range":
                break
            self._at += 1
        self._at = held
        return (), False

    def _known(self, name: str, token: Token) -> None:
        if name not in self._variables:
            raise self._error(token, f'undefined variable "{name}"')

    def _command(self, where: str) -> tuple[Operand, ...]:
        operands = [self._operand(where)]
        while self._peek().kind == "space":
            token = self._skip_space()
            if token.kind in ("close", "|", ")", "end"):
                break
            operands.append(self._operand(where))
        token = self._peek()
        if token.kind not in ("close", "|", ")", "end"):
            raise self._error(token, f"unexpected {_shown(token)} in operand")
        return tuple(operands)

    def _operand(self, where: str) -> Operand:
        token = self._next()
        if token.kind in ("string", "raw"):
            return Constant(self._unquoted(token), token.text, token.at)
        if token.kind == "character":
            value = self._unquoted(token)
            return Constant(ord(value[:1] or "\0"), token.text, token.at)
        if token.kind == "number":
            return Constant(self._number(token), token.text, token.at)
        if token.kind == "word":
            if token.text in ("true", "false", "nil"):
                value_of = {"true": True, "false": False, "nil": None}
                return Constant(value_of[token.text], token.text, token.at)
            if token.text not in FUNCTION_NAMES:
                raise self._error(token, f'function "{token.text}" not defined')
            return Function(token.text, token.at)
        if token.kind == "field":
            first = (token.text[1:],) if len(token.text) > 1 else ()
            return Dot((*first, *self._fields()), token.at)
        if token.kind == "variable":
            self._known(token.text, token)
            return Variable(token.text, self._fields(), token.at)
        if token.kind == "(":
            self._depth += 1
            if self._depth > DEEPEST:
                raise self._error(token, "nested too deep")
            pipe = self._pipe("parenthesized pipeline", (")",))
            end = self._next()
            self._depth -= 1
            fields = self._fields()
            return Grouped(pipe, fields, self._text[token.at : end.at + 1], token.at)
        raise self._error(token, f"unexpected {_shown(token)} in {where}")

    def _fields(self) -> tuple[str, ...]:
        names: list[str] = []
        while self._peek().kind == "field" and len(self._peek().text) > 1:
            names.append(self._next().text[1:])
        return tuple(names)

    def _unquoted(self, token: Token) -> str:
        if token.kind == "raw":
            return token.text[1:-1]
        try:
            return unquoted(token.text, self._text, token.at)
        except Exception as error:
            raise self._error(token, "invalid syntax") from error

    def _number(self, token: Token) -> int | float:
        text = token.text.replace("_", "")
        digits = text.lstrip("+-")
        try:
            if digits[:2].lower() in ("0x", "0b", "0o"):
                return int(text, 0)
            if any(sign in text for sign in ".eE"):
                return float(text)
            is_octal = len(digits) > 1 and digits[0] == "0"
            return int(text, 8 if is_octal else 10)
        except ValueError:
            raise self._error(token, f'bad number syntax: "{token.text[:40]}"') from None


def _shown(token: Token) -> str:
    names = {"end": "EOF", "close": '"}}"', "space": "space"}
    return names.get(token.kind) or f'"{token.text[:40]}"' if token.kind != "end" else "EOF"
