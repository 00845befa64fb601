"""Names attributes in SQL: which key a column name means, and where each part keeps its value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from longpole.storage.duckdb.read.identifiers import quote_literal
from longpole.storage.duckdb.read.part import Part

Types = Mapping[tuple[str, str], str]

_EXACT = {"@string": "str", "@int": "int", "@double": "dbl", "@bool": "bool"}
_SQL_TYPE = {"str": "VARCHAR", "int": "BIGINT", "dbl": "DOUBLE", "bool": "BOOLEAN"}
# Which lists can hold values of a key whose one SQL type is this, and how each is cast.
_SOURCES = {
    "BIGINT": ("int",),
    "DOUBLE": ("dbl", "int"),
    "BOOLEAN": ("bool",),
    "VARCHAR": ("str", "int", "dbl", "bool", "other"),
}


@dataclass(frozen=True, slots=True)
class Attribute:
    """What a name in a query means: a key in one or both scopes, as one SQL type.

    `own_type` is the catalog's type of the key on the record itself (span, log), None when it
    never occurs there; `resource_type` likewise. `exact` is set for `"k@int"` and the like.
    """

    key: str
    own_type: str | None
    resource_type: str | None
    exact: str | None = None

    @property
    def sql_type(self) -> str:
        """The one SQL type of the column."""
        if self.exact:
            return _SQL_TYPE[self.exact]
        known = {t for t in (self.own_type, self.resource_type) if t}
        if len(known) == 1:
            return known.pop()
        return "DOUBLE" if known == {"BIGINT", "DOUBLE"} else "VARCHAR"

    @property
    def is_known(self) -> bool:
        """Whether any record or resource ever had the key."""
        return bool(self.own_type or self.resource_type)


def literal_attribute(key: str, scope: str, types: Types) -> Attribute:
    """What `attr('key')` means: the key as it is, on the record, else on its resource."""
    return Attribute(key, types.get((scope, key)), types.get(("resource", key)))


def named_attribute(name: str, scope: str, types: Types) -> Attribute:
    """What the column `"name"` means.

    `resource.k` and `span.k` (for logs `log.k`) name one scope, `k@int` one type; a reading
    of that kind wins when its key is known. Then the key itself, then the only key that
    differs by case. Nothing known: an attribute that `is_known` denies.
    """
    for only, key, exact in _readings(name, scope):
        found = literal_attribute(key, scope, types)
        own = found.own_type if only in ("", scope) else None
        resource = found.resource_type if only in ("", "resource") else None
        if own or resource:
            return Attribute(key, own, resource, exact)
    folded = name.casefold()
    alike = {k for s, k in types if s in (scope, "resource") and k.casefold() == folded}
    return literal_attribute(alike.pop() if len(alike) == 1 else name, scope, types)


def _readings(name: str, scope: str) -> list[tuple[str, str, str | None]]:
    """(only scope or "", key, exact type) in the order in which they are tried."""
    readings: list[tuple[str, str, str | None]] = []
    stem, at, suffix = name.rpartition("@")
    exact = _EXACT.get(at + suffix)
    for only in ("resource", scope):
        if name.startswith(f"{only}."):
            start = len(only) + 1
            if exact:
                readings.append((only, stem[start:], exact))
            readings.append((only, name[start:], None))
    if exact:
        readings.append(("", stem, exact))
    readings.append(("", name, None))
    return readings


def value_of(part: Part, table: str, alias: str, key: str, kind: str) -> str:
    """SQL for the value of a key in one type, wherever this part keeps it; NULL if absent."""
    column = part.typed.get((table, key, kind))
    if column:
        return f"{alias}.{column}"
    lists = f"{alias}.attr_{kind}"
    return f"list_extract({lists}_vals, list_position({lists}_keys, {quote_literal(key)}))"


def value_as(part: Part, table: str, alias: str, key: str, sql_type: str) -> str:
    """SQL for the value of a key as one SQL type, from whichever type it was sent in."""
    values = []
    for kind in _SOURCES[sql_type]:
        value = value_of(part, table, alias, key, kind)
        is_native = kind == "other" or _SQL_TYPE[kind] == sql_type
        values.append(value if is_native else f"CAST({value} AS {sql_type})")
    return values[0] if len(values) == 1 else f"coalesce({', '.join(values)})"


def has_key(part: Part, table: str, alias: str, key: str) -> str:
    """SQL for whether a record has the key, in any type."""
    checks = []
    for kind in _SOURCES["VARCHAR"]:
        column = part.typed.get((table, key, kind))
        if column:
            checks.append(f"{alias}.{column} IS NOT NULL")
        else:
            keys = f"{alias}.attr_{kind}_keys"
            checks.append(f"coalesce(list_contains({keys}, {quote_literal(key)}), false)")
    return f"({' OR '.join(checks)})"


def column_value(
    part: Part, table: str, attribute: Attribute, resource_value: str, alias: str = "s"
) -> str:
    """SQL for an attribute of a record: its own value first, then that of its resource, which
    a join already offers as `resource_value`."""
    if not attribute.is_known:
        return "CAST(NULL AS VARCHAR)"
    if attribute.own_type is None:
        return resource_value
    own = _plain(part, table, alias, attribute)
    if attribute.resource_type is None:
        return own
    if attribute.exact is None:
        return f"coalesce({own}, {resource_value})"
    # The record's own value of another type hides the resource's: the answer is NULL then.
    has = has_key(part, table, alias, attribute.key)
    return f"CASE WHEN {has} THEN {own} ELSE {resource_value} END"


def resource_column(part: Part, attribute: Attribute) -> str:
    """SQL for the value that a row of `resources` (alias `r`) has for the attribute."""
    return _plain(part, "resources", "r", attribute)


def _plain(part: Part, table: str, alias: str, attribute: Attribute) -> str:
    if attribute.exact:
        return value_of(part, table, alias, attribute.key, attribute.exact)
    return value_as(part, table, alias, attribute.key, attribute.sql_type)
