"""`series`, `labels`, `label/{name}/values` and `metadata`: which series there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from longpole.grafana.prometheus import answer
from longpole.grafana.prometheus.answer import TRUNCATED, Answer
from longpole.grafana.prometheus.asked import Asked
from longpole.grafana.prometheus.asking import Asking
from longpole.grafana.prometheus.escaped_names import unescaped
from longpole.grafana.prometheus.refusals import BadData, bad_parameter

_T = TypeVar("_T")


def series(asking: Asking, asked: Asked) -> Answer:
    """Label sets that meet any of the selectors."""
    limit = asked.limit()
    if not asked.texts("match[]"):
        raise BadData("no match[] parameter provided")
    after_ms, through_ms = asking.stored(*asked.range_ms())
    try:
        selectors = asked.selectors()
    except BadData as error:
        # Only here Prometheus names the parameter.
        raise bad_parameter("match[]", error) from None
    # One more than asked for tells whether there are more.
    found, warnings = _cut(
        (asking.catalog.series(one, after_ms, through_ms, _one_more(limit)) for one in selectors),
        limit,
    )
    return answer.of([dict(labels) for labels in found], warnings)


def labels(asking: Asking, asked: Asked) -> Answer:
    """The names of labels, of all series or of those that meet any selector."""
    limit = asked.limit()
    after_ms, through_ms = asking.stored(*asked.range_ms())
    selectors = asked.selectors() or [()]
    names = (
        asking.catalog.label_names(one, after_ms, through_ms, _one_more(limit)) for one in selectors
    )
    return answer.of(*_cut(names, limit))


def label_values(asking: Asking, asked: Asked) -> Answer:
    """The values of one label, of all series or of those that meet any selector."""
    name = unescaped(asked.path["name"])
    if not name:
        raise BadData(f'invalid label name: "{name}"')
    limit = asked.limit()
    after_ms, through_ms = asking.stored(*asked.range_ms())
    selectors = asked.selectors() or [()]
    values = (
        asking.catalog.label_values(name, one, after_ms, through_ms, _one_more(limit))
        for one in selectors
    )
    return answer.of(*_cut(values, limit))


def metadata(asking: Asking, asked: Asked) -> Answer:
    """Type, help and unit of metrics."""
    limit = _number(asked, "limit")
    per_metric = _number(asked, "limit_per_metric")
    wanted = asked.text("metric")
    found: dict[str, list[dict[str, str]]] = {}
    for name, said in sorted(asking.catalog.metadata().items()):
        if limit is not None and 0 <= limit <= len(found):
            break
        if wanted and name != wanted:
            continue
        kept = said if per_metric is None or per_metric <= 0 else said[:per_metric]
        found[name] = [{"type": one.type, "unit": one.unit, "help": one.help} for one in kept]
    return answer.of(found)


def target_metadata(asking: Asking, asked: Asked) -> Answer:
    """Metadata of metrics that targets have; nothing is scraped, and `metadata` has all others."""
    _number(asked, "limit")
    return answer.of([])


def _number(asked: Asked, name: str) -> int | None:
    text = asked.text(name)
    if not text:
        return None
    try:
        return int(text[:20])
    except ValueError:
        raise BadData(f"{name} must be a number") from None


def _one_more(limit: int) -> int:
    return limit + 1 if limit else 0


def _cut(parts: Iterable[Sequence[_T]], limit: int) -> tuple[list[_T], tuple[str, ...]]:
    """All parts together, each entry once, in order, at most `limit` of them."""
    found = sorted({one for part in parts for one in part})  # type: ignore[type-var]
    if limit and len(found) > limit:
        return found[:limit], (TRUNCATED,)
    return found, ()
