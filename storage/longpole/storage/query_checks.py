"""What is said about a question before it is answered: refusals and notices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from longpole.model.query import Comparison, Field, TraceQuery
from longpole.storage.ports import PATH_GROUP_COLUMNS, QueryRefused
from longpole.storage.search_ports import VALUE_FIELDS, SpanKey

ATTRIBUTE_FIELDS = (Field.SPAN_ATTRIBUTE, Field.RESOURCE_ATTRIBUTE, Field.ANY_ATTRIBUTE)


def refuse_bad_regexes(query: TraceQuery) -> None:
    """Raises `QueryRefused` for a regex that RE2 does not compile."""
    for condition in query.conditions:
        if condition.comparison in (Comparison.MATCH, Comparison.NOT_MATCH):
            try:
                full_match(str(condition.value), "")
            except pa.ArrowInvalid as reason:
                raise QueryRefused(
                    f"the regular expression {condition.value!r} does not compile: {reason}"
                ) from None


def full_match(pattern: str, text: str) -> bool:
    """Whether RE2 matches the whole text; a dot matches line ends too, as in Prometheus."""
    found = pc.match_substring_regex(pa.array([text], pa.string()), rf"(?s)\A(?:{pattern})\z")
    return bool(found[0].as_py())


def unknown_key_notices(
    query: TraceQuery, span_keys: Iterable[str], resource_keys: Iterable[str]
) -> tuple[str, ...]:
    """One sentence for each attribute key that no span ever had."""
    known = {
        Field.SPAN_ATTRIBUTE: set(span_keys),
        Field.RESOURCE_ATTRIBUTE: set(resource_keys),
    }
    known[Field.ANY_ATTRIBUTE] = known[Field.SPAN_ATTRIBUTE] | known[Field.RESOURCE_ATTRIBUTE]
    nouns = {
        Field.SPAN_ATTRIBUTE: "no span has ever had an attribute",
        Field.RESOURCE_ATTRIBUTE: "no resource has ever had an attribute",
        Field.ANY_ATTRIBUTE: "no span or resource has ever had an attribute",
    }
    missing = [
        f"{nouns[c.field]} {c.key!r}"
        for c in query.conditions
        if c.field in ATTRIBUTE_FIELDS and c.key not in known[c.field]
    ]
    return tuple(dict.fromkeys(missing))


def check_group_by(group_by: Sequence[str]) -> None:
    """Raises ValueError for a column that path time cannot be grouped by."""
    for name in group_by:
        if name not in PATH_GROUP_COLUMNS:
            allowed = ", ".join(PATH_GROUP_COLUMNS)
            raise ValueError(f"cannot group by {name!r}: choose from {allowed}")


def check_value_fields(keys: Sequence[SpanKey]) -> None:
    """Raises ValueError for a field whose values are not counted."""
    for key in keys:
        if key.field not in VALUE_FIELDS:
            allowed = ", ".join(VALUE_FIELDS)
            raise ValueError(f"cannot count the values of {key.field!r}: choose from {allowed}")
