"""Generates the views: for one query and one snapshot, a union over every part with rows.

A view is never stored. It names only the attributes that the query names, and each part
yields their values from wherever it keeps them: a typed column, the remainder lists of a
segment, or the lists of a hot batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from longpole.storage.duckdb.parents import PARENT
from longpole.storage.duckdb.read.attributes import (
    Attribute,
    column_value,
    literal_attribute,
    named_attribute,
    resource_column,
)
from longpole.storage.duckdb.read.identifiers import quote_identifier
from longpole.storage.duckdb.read.part import (
    KIND_OF_TABLE,
    SUPERSEDED,
    Part,
    halves,
    parts_of,
)
from longpole.storage.duckdb.read.question import ATTR_COLUMN, Question
from longpole.storage.duckdb.read.view_columns import SHAPES, ViewShape, attributes_json
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.ports import QueryRefused

STAR_ATTRIBUTES = 200  # what SELECT * shows of the attribute keys; more would drown the reader


@dataclass(slots=True)
class View:
    """What one query needs of one view: attributes by the column names under which it shows
    them, and those of its columns `on_demand` that are named."""

    name: str
    attributes: dict[str, Attribute] = field(default_factory=dict)
    demanded: set[str] = field(default_factory=set)

    @property
    def shape(self) -> ViewShape:
        return SHAPES[self.name]


@dataclass(slots=True)
class Plan:
    """The views of a query, the columns that stand for its `attr()` calls, and notices."""

    views: dict[str, View]
    attr_columns: dict[tuple[str, str], str]
    notices: tuple[str, ...]


def plan_views(question: Question, types: Mapping[tuple[str, str], str]) -> Plan:
    """Decide what each column name means. Raises `QueryRefused` where a name means two."""
    views = {name: View(name) for name in question.views}
    notices: dict[str, None] = {}
    shown = {column.lower() for view in views.values() for column in view.shape.columns}
    for qualifier, name in question.names:
        folded = name.lower()
        for view in _targets(folded, question, views) if not qualifier else ():
            view.demanded |= view.shape.on_demand  # the name of a view: its rows as a whole
        if not qualifier and (folded in shown or folded in question.inner_names):
            if folded in question.inner_names and folded not in shown:
                _name_known(name, views, types)
            _note_demanded(folded, list(views.values()))
            continue
        targets = _targets(qualifier, question, views)
        _note_demanded(folded, targets)
        for view in targets:
            if folded not in {column.lower() for column in view.shape.columns}:
                _name_attribute(view, name, types, notices)
    attr_columns: dict[tuple[str, str], str] = {}
    for number, (qualifier, key) in enumerate(question.attrs):
        column = f"{ATTR_COLUMN}{number}"
        attr_columns[qualifier, key] = column
        targets = [v for v in _targets(qualifier, question, views) if v.shape.scope is not None]
        if not targets:
            raise QueryRefused(f"attr({key!r}): none of the views asked has attributes")
        for view in targets:
            attribute = _literal(view, key, types)
            view.attributes[column] = attribute
            if not attribute.is_known:
                notices[_unknown(key, view)] = None
    if question.has_star:
        for view in views.values():
            _add_star(view, types, notices)
    return Plan(views, attr_columns, tuple(notices))


def view_sql(view: View, snapshot: Snapshot, trace_ids: frozenset[int] | None = None) -> str:
    """The SELECT behind a view; with `trace_ids`, only rows of those traces."""
    shape = view.shape
    hi, lo = halves(sorted(trace_ids or ()))
    selects = []
    for part in parts_of(snapshot, shape.table):
        if trace_ids is not None and not part.may_hold(hi, lo):
            continue
        of = f"WHERE {_of_traces('t', trace_ids)}" if trace_ids is not None else ""
        where = _conditions(shape, snapshot, trace_ids)
        selects.append(_part_sql(view, part, of) + where)
    if not selects:
        selects.append(_part_sql(view, Part(None)) + " WHERE false")
    union = " UNION ALL ".join(selects)
    return f"SELECT {shape.outer} FROM ({union}) {shape.tail}" if shape.outer else union


def _part_sql(view: View, part: Part, of: str = "") -> str:
    shape = view.shape
    columns = [f"{sql} AS {quote_identifier(name)}" for name, sql in shape.columns.items()
               if name not in shape.on_demand or name in view.demanded]  # fmt: skip
    of_resource: list[str] = []
    table = "metric_series" if shape.table == "metric_points" else shape.table
    alias = "m" if shape.table == "metric_points" else "s"
    for name, attribute in view.attributes.items():
        resource_value = f"r.v{len(of_resource)}"
        if attribute.resource_type is not None:
            of_resource.append(f"{resource_column(part, attribute)} AS v{len(of_resource)}")
        value = column_value(part, table, attribute, resource_value, alias)
        columns.append(f"CAST({value} AS {attribute.sql_type}) AS {quote_identifier(name)}")
    is_plain = part.has_distances(shape.table) and PARENT not in view.demanded
    relation = part.plain(shape.table) if is_plain else part.relation(shape.table, of)
    sql = f"SELECT {', '.join(columns)} FROM {relation} s"
    if of_resource:
        sql += (
            f" LEFT JOIN (SELECT DISTINCT ON (r.resource_id) r.resource_id, "
            f"{', '.join(of_resource)} FROM {part.relation('resources')} r) r"
            " ON r.resource_id = s.resource_id"
        )
    if view.demanded & shape.scope_columns:
        sql += (
            " LEFT JOIN (SELECT DISTINCT ON (scope_id) scope_id, name, version FROM "
            f"{part.relation('scopes')}) sc ON sc.scope_id = s.scope_id"
        )
    if shape.table == "metric_points":
        sql += (
            f" LEFT JOIN (SELECT DISTINCT ON (x.series_id) x.*, {attributes_json('x')} AS"
            f" attributes FROM {part.relation('metric_series')} x) m"
            " ON m.series_id = s.series_id"
        )
    return sql


def _conditions(shape: ViewShape, snapshot: Snapshot, trace_ids: frozenset[int] | None) -> str:
    conditions = []
    if trace_ids is not None:
        conditions.append(_of_traces("s", trace_ids))
    if KIND_OF_TABLE[shape.table] == "derived" and snapshot.superseded.num_rows:
        conditions.append(latest_only("s"))
    return " WHERE " + " AND ".join(conditions) if conditions else ""


def _of_traces(alias: str, trace_ids: frozenset[int]) -> str:
    pairs = [
        f"{alias}.trace_hi = {int(high)} AND {alias}.trace_lo = {int(low)}"
        for high, low in zip(*halves(sorted(trace_ids)), strict=True)
    ]
    return f"({' OR '.join(pairs) or 'false'})"


def latest_only(alias: str) -> str:
    """SQL for "this derived row is not superseded"."""
    return (
        f"NOT EXISTS (SELECT 1 FROM {SUPERSEDED} x WHERE x.trace_hi = {alias}.trace_hi"
        f" AND x.trace_lo = {alias}.trace_lo AND {alias}.revision <= x.revision)"
    )


def _targets(qualifier: str, question: Question, views: Mapping[str, View]) -> list[View]:
    """The views that a column with this qualifier may belong to."""
    if not qualifier:
        return list(views.values())
    name = question.tables.get(qualifier.lower())
    return [views[name]] if name else []


def _name_attribute(
    view: View, name: str, types: Mapping[tuple[str, str], str], notices: dict[str, None]
) -> None:
    scope = view.shape.scope
    if scope is None or (scope == "" and "." not in name and "@" not in name):
        return  # DuckDB says that there is no such column, and which ones there are
    attribute = named_attribute(name, scope, types) if scope else _unlisted(name)
    for other, meaning in view.attributes.items():
        if other.lower() != name.lower():
            continue
        if meaning != attribute:
            raise QueryRefused(
                f"{other!r} and {name!r} are two attributes that differ by case only, and column"
                f" names ignore case: write attr({meaning.key!r}) and attr({attribute.key!r})"
            )
        return
    view.attributes[name] = attribute
    if not attribute.is_known:
        notices[_unknown(name, view)] = None


def _name_known(name: str, views: Mapping[str, View], types: Mapping[tuple[str, str], str]) -> None:
    """A name that the query gives to something may still be an attribute key as well."""
    for view in views.values():
        if view.shape.scope and named_attribute(name, view.shape.scope, types).is_known:
            _name_attribute(view, name, types, {})


def _literal(view: View, key: str, types: Mapping[tuple[str, str], str]) -> Attribute:
    scope = view.shape.scope
    return literal_attribute(key, scope, types) if scope else Attribute(key, "VARCHAR", None)


def _unlisted(name: str) -> Attribute:
    """An attribute of an event, link or metric series, whose keys no catalog lists: text,
    unless the name asks for an exact type."""
    reading = named_attribute(name, "event", {("event", name.rpartition("@")[0]): "VARCHAR"})
    return reading if reading.exact else Attribute(name, "VARCHAR", None)


def _unknown(name: str, view: View) -> str:
    noun = {"span": "span", "log": "log record"}.get(view.shape.scope or "", "row")
    return f"no {noun} or resource has ever had an attribute {name!r}: it is NULL everywhere"


def _note_demanded(folded: str, views: list[View]) -> None:
    for view in views:
        view.demanded |= {folded} & view.shape.on_demand


def _add_star(view: View, types: Mapping[tuple[str, str], str], notices: dict[str, None]) -> None:
    view.demanded |= view.shape.on_demand
    scope = view.shape.scope
    if not scope:
        return
    taken = {name.lower() for name in (*view.shape.columns, *view.attributes)}
    hidden = 0
    for key in sorted({key for s, key in types if s in (scope, "resource")}):
        if key.lower() in taken or "\0" in key or len(view.attributes) >= STAR_ATTRIBUTES:
            hidden += key not in {a.key for a in view.attributes.values()}
            continue
        taken.add(key.lower())
        view.attributes[key] = literal_attribute(key, scope, types)
    if hidden:
        notices[
            f"{hidden} attribute keys of {view.name} are not shown by *: name them, or use attr()"
        ] = None
