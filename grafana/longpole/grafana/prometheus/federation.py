"""`/federate`: the newest sample of each series, for a Prometheus that takes them over.

    traces_service_graph_request_total{client="gateway",server="cart"} 12 1700000000000

As Prometheus' own (`web/federate.go`): samples of the lookback, with their times, types not told.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from longpole.analyzer.promql.selectors import NAME
from longpole.analyzer.promql.series import Labels, is_stale
from longpole.grafana.prometheus.answer import PIECE_BYTES
from longpole.grafana.prometheus.asked import Asked
from longpole.grafana.prometheus.asking import Asking
from longpole.grafana.prometheus.refusals import BadData, bad_parameter

# A bigger one would be cut off by the body_size_limit of whoever scrapes.
MOST_SERIES = 1_000_000
_PLAIN_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Exposed:
    """Samples by name, in Prometheus' text format."""

    found: dict[str, dict[Labels, tuple[int, float]]]
    media_type: str = "text/plain; version=0.0.4; charset=utf-8"

    def pieces(self) -> Iterator[bytes]:
        """The text, in pieces of a useful size."""
        held: list[str] = []
        size = 0
        for line in self._lines():
            held.append(line)
            size += len(line)
            if size >= PIECE_BYTES:
                yield "".join(held).encode()
                held, size = [], 0
        yield "".join(held).encode()

    def _lines(self) -> Iterator[str]:
        for name in sorted(self.found):
            is_plain = _PLAIN_NAME.fullmatch(name) is not None
            yield f"# TYPE {name if is_plain else _quoted(name)} untyped\n"
            for labels, (at_ms, value) in sorted(self.found[name].items()):
                pairs = [f"{_label(key)}={_quoted(text)}" for key, text in labels if key != NAME]
                shown = ",".join(pairs if is_plain else [_quoted(name), *pairs])
                head = f"{name if is_plain else ''}{{{shown}}}" if shown else name
                yield f"{head} {_number(value)} {at_ms}\n"


def federate(asking: Asking, asked: Asked) -> Exposed:
    """What meets any `match[]`, as it is now. Raises `BadData` without one."""
    if not asked.texts("match[]"):
        raise BadData("no match[] parameter provided")
    try:
        selectors = asked.selectors()
    except BadData as error:
        raise bad_parameter("match[]", error) from None
    now_ms = asking.now_ms()
    after_ms = now_ms - asking.settings.lookback_ms
    found: dict[str, dict[Labels, tuple[int, float]]] = {}
    for matchers in selectors:
        for series in asking.select(matchers, after_ms, now_ms, asking.settings.limits.samples):
            if is_stale(series.values[-1:])[0]:
                continue
            name = dict(series.labels).get(NAME, "")
            last = int(series.times_ms[-1]), float(series.values[-1])
            found.setdefault(name, {})[series.labels] = last
        if sum(map(len, found.values())) > MOST_SERIES:
            raise BadData(f"more than {MOST_SERIES:,} series match: narrow match[]")
    return Exposed(found)


def _label(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) and ":" not in name else _quoted(name)


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPED)}"'


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value).removesuffix(".0")
