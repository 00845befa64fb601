"""Text to a stream selector and the stages after it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from longpole.analyzer.logql.expressions import (
    AllOf,
    AnyOf,
    Condition,
    Extract,
    Forget,
    LabelFilter,
    LabelFormat,
    LineFilter,
    LineFormat,
    Lines,
    LogStage,
    Matcher,
)
from longpole.analyzer.logql.templates import check_template
from longpole.analyzer.logql.token_stream import TokenStream

_LINE_FILTERS = ("|=", "!=", "|~", "!~")
_MATCHERS = ("=", "!=", "=~", "!~")
STAGES = "json, logfmt, label filters, drop, keep, label_format and line_format"
_UNSUPPORTED = frozenset({"unwrap", "regexp", "pattern", "unpack", "decolorize", "distinct"})
_COMPARISONS = ("=", "==", "!=", "=~", "!~", ">", ">=", "<", "<=")


class LineParser:
    """Reads what stands below metrics from a stream that others read too."""

    def __init__(self, stream: TokenStream, needs_matcher: bool = False) -> None:
        self.stream = stream
        self._needs_matcher = needs_matcher

    def lines(self) -> Lines:
        """A selector and its stages."""
        return self.ranged()[0]

    def ranged(self) -> tuple[Lines, int | None]:
        """The same, with a range in nanoseconds if one stands right after the selector or after the
        stages."""
        matchers = self._selector()
        range_ns = self._range()
        stages: list[LogStage] = []
        while True:
            token = self.stream.token
            if token.kind == "operator" and token.text in _LINE_FILTERS:
                stages.append(self._line_filter())
            elif self.stream.take("|"):
                stages.append(self._stage())
            else:
                break
        return Lines(matchers, tuple(stages)), self._range() if range_ns is None else range_ns

    def _range(self) -> int | None:
        if not self.stream.take("["):
            return None
        found = self.stream.duration()
        self.stream.expect("]")
        return found

    def _selector(self) -> tuple[Matcher, ...]:
        stream = self.stream
        stream.expect("{")
        found: list[Matcher] = []
        while not stream.take("}"):
            found.append(self._matcher())
            if not stream.take(","):
                stream.expect("}")
                break
        if self._needs_matcher and all(map(_meets_empty, found)):
            raise stream.error(
                "queries require at least one regexp or equality matcher that does not have an"
                ' empty-compatible value. For instance, app=~".*" does not meet this requirement,'
                ' but app=~".+" will'
            )
        return tuple(found)

    def _matcher(self) -> Matcher:
        name = self.stream.name()
        operator = self.stream.token.text
        if operator not in _MATCHERS:
            raise self.stream.unexpected()
        self.stream.advance()
        value = self.stream.string()
        if operator in ("=~", "!~"):
            self._check_regex(value)
        return Matcher(name, operator, value)

    def _line_filter(self) -> LineFilter:
        operator = self.stream.advance().text
        found = [self.stream.string()]
        while self.stream.token.text.lower() == "or" and self.stream.following.kind == "string":
            self.stream.advance()
            found.append(self.stream.string())
        if operator in ("|~", "!~"):
            for text in found:
                self._check_regex(text)
        return LineFilter(operator, tuple(found))

    def _stage(self) -> LogStage:
        stream = self.stream
        is_filter = stream.following.text in _COMPARISONS
        if not is_filter and (parser := stream.take_name("json", "logfmt")):
            return Extract(parser, self._wanted())
        if not is_filter and (verb := stream.take_name("drop", "keep")):
            return self._forget(verb == "keep")
        if not is_filter and stream.take_name("label_format"):
            return self._label_format()
        if not is_filter and stream.take_name("line_format"):
            template = stream.string()
            self._check_template(template)
            return LineFormat(template)
        name = stream.token.text
        if not is_filter and stream.token.kind == "name" and name in _UNSUPPORTED:
            raise stream.error(f"stage {name} is not supported here; supported are {STAGES}")
        return self._any_of()

    def _wanted(self) -> tuple[tuple[str, str], ...]:
        stream = self.stream
        found: list[tuple[str, str]] = []
        while stream.token.kind == "name":
            label = stream.name()
            found.append((label, stream.string() if stream.take("=") else label))
            if not stream.take(","):
                break
        return tuple(found)

    def _forget(self, is_keep: bool) -> Forget:
        stream = self.stream
        found: list[tuple[str, Matcher | None]] = []
        while True:
            if stream.following.text in _MATCHERS:
                matcher = self._matcher()
                found.append((matcher.name, matcher))
            else:
                found.append((stream.name(), None))
            if not stream.take(","):
                return Forget(is_keep, tuple(found))

    def _label_format(self) -> LabelFormat:
        stream = self.stream
        found: list[tuple[str, str, bool]] = []
        while True:
            label = stream.name()
            stream.expect("=")
            is_template = stream.token.kind == "string"
            source = stream.string() if is_template else stream.name()
            if is_template:
                self._check_template(source)
            found.append((label, source, is_template))
            if not stream.take(","):
                return LabelFormat(tuple(found))

    def _any_of(self) -> Condition:
        found = [self._all_of()]
        while self.stream.take_name("or"):
            found.append(self._all_of())
        return found[0] if len(found) == 1 else AnyOf(tuple(found))

    def _all_of(self) -> Condition:
        found = [self._condition()]
        while self.stream.take_name("and") or self.stream.take(",") or self._begins_another():
            found.append(self._condition())
        return found[0] if len(found) == 1 else AllOf(tuple(found))

    def _begins_another(self) -> bool:
        return self.stream.token.kind == "name" and self.stream.following.text in _COMPARISONS

    def _condition(self) -> Condition:
        stream = self.stream
        with stream.nested():
            if stream.take("("):
                inner = self._any_of()
                stream.expect(")")
                return inner
            name = stream.name()
            operator = stream.token.text
            if operator not in _COMPARISONS:
                raise stream.unexpected()
            stream.advance()
            token = stream.token
            if token.kind == "string" and operator in _MATCHERS:
                if operator in ("=~", "!~"):
                    self._check_regex(str(token.value))
                return LabelFilter(name, operator, stream.string())
            if token.kind not in ("number", "duration", "size") or operator in ("=~", "!~"):
                raise stream.unexpected()
            value = float(stream.advance().value)
            value = value / 1e9 if token.kind == "duration" else value
            return LabelFilter(name, operator, value)

    def _check_regex(self, pattern: str) -> None:
        try:
            pc.match_substring_regex(pa.array([""], pa.string()), pattern)
        except pa.ArrowInvalid as error:
            raise self.stream.error(f"invalid regular expression: {error}") from None

    def _check_template(self, template: str) -> None:
        reason = check_template(template)
        if reason:
            raise self.stream.error(reason)


def _meets_empty(matcher: Matcher) -> bool:
    """Whether a stream without that label meets the matcher."""
    if matcher.operator in ("=", "!="):
        return (matcher.value == "") == (matcher.operator == "=")
    found = pc.match_substring_regex(pa.array([""], pa.string()), f"^(?:{matcher.value})$")
    return bool(found[0].as_py()) == (matcher.operator == "=~")
