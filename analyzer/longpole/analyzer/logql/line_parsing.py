"""Text to a stream selector and the stages after it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

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
from longpole.analyzer.logql.line_patterns import line_pattern
from longpole.analyzer.logql.templates import check_template
from longpole.analyzer.logql.token_stream import TokenStream

_LINE_FILTERS = ("|=", "!=", "|~", "!~", "|>", "!>")
_MATCHERS = ("=", "!=", "=~", "!~")
STAGES = (
    "json, logfmt, unpack, regexp, pattern, decolorize, label filters, drop, keep, label_format,"
    " line_format, and unwrap in functions over time"
)
_UNSUPPORTED = frozenset({"distinct"})
_UNITS = {"duration": "duration", "duration_seconds": "duration", "bytes": "bytes"}
_COMPARISONS = ("=", "==", "!=", "=~", "!~", ">", ">=", "<", "<=")


class LineParser:
    """Reads what stands below metrics from a stream that others read too."""

    def __init__(self, stream: TokenStream, needs_matcher: bool = False) -> None:
        self.stream = stream
        self._needs_matcher = needs_matcher

    def lines(self) -> Lines:
        """A selector and its stages."""
        found = self.ranged()[0]
        if found.are_unwrapped:
            raise self.stream.error("unwrap is only possible in a function over time")
        return found

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
                self._check_order(stages)
            else:
                break
        return Lines(matchers, tuple(stages)), self._range() if range_ns is None else range_ns

    def _check_order(self, stages: list[LogStage]) -> None:
        """After `unwrap` only conditions on labels may follow."""
        if isinstance(stages[-1], LabelFilter | AnyOf | AllOf):
            return
        if any(isinstance(stage, Unwrap) for stage in stages[:-1]):
            raise self.stream.error("only label filters may follow unwrap")

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
            self.check_regex(value)
        return Matcher(name, operator, value)

    def _line_filter(self) -> LineFilter:
        operator = self.stream.advance().text
        found = [self.stream.string()]
        while self.stream.token.text.lower() == "or" and self.stream.following.kind == "string":
            self.stream.advance()
            found.append(self.stream.string())
        for text in found:
            if operator in ("|~", "!~"):
                self.check_regex(text)
            if operator in ("|>", "!>"):
                self._check_pattern(text, needs_name=False)
        return LineFilter(operator, tuple(found))

    def _stage(self) -> LogStage:
        stream = self.stream
        if stream.token.kind != "name" or stream.following.text in _COMPARISONS:
            return self._any_of()
        if parser := stream.take_name("json", "logfmt"):
            return Extract(parser, self._wanted())
        if stream.take_name("unpack"):
            return Extract("unpack")
        if parser := stream.take_name("regexp", "pattern"):
            return self._capture(parser)
        if stream.take_name("decolorize"):
            return Decolorize()
        if stream.take_name("unwrap"):
            return self._unwrap()
        if verb := stream.take_name("drop", "keep"):
            return self._forget(verb == "keep")
        if stream.take_name("label_format"):
            return self._label_format()
        if stream.take_name("line_format"):
            template = stream.string()
            self._check_template(template)
            return LineFormat(template)
        name = stream.token.text
        if name in _UNSUPPORTED:
            raise stream.error(f"stage {name} is not supported here; supported are {STAGES}")
        return self._any_of()

    def _capture(self, parser: str) -> Capture:
        text = self.stream.string()
        if parser == "pattern":
            self._check_pattern(text, needs_name=True)
        else:
            self.check_regex(text)
            if "(?P<" not in text:
                raise self.stream.error("at least one group needs a name: (?P<name>…)")
        return Capture(parser, text)

    def _unwrap(self) -> Unwrap:
        stream = self.stream
        name = stream.name()
        if not stream.take("("):
            return Unwrap(name)
        if name not in _UNITS:
            raise stream.error(f"unwrap knows {', '.join(_UNITS)}, not {name}")
        label = stream.name()
        stream.expect(")")
        return Unwrap(label, _UNITS[name])

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
                    self.check_regex(str(token.value))
                return LabelFilter(name, operator, stream.string())
            if token.kind not in ("number", "duration", "size") or operator in ("=~", "!~"):
                raise stream.unexpected()
            value = float(stream.advance().value)
            value = value / 1e9 if token.kind == "duration" else value
            return LabelFilter(name, operator, value)

    def check_regex(self, pattern: str) -> None:
        """Raises `ParseError` for what RE2 does not take."""
        try:
            pc.match_substring_regex(pa.array([""], pa.string()), pattern)
        except pa.ArrowInvalid as error:
            raise self.stream.error(f"invalid regular expression: {error}") from None

    def _check_pattern(self, text: str, *, needs_name: bool) -> None:
        found = line_pattern(text, needs_name=needs_name)
        if isinstance(found, str):
            raise self.stream.error(f"invalid pattern: {found}")

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
