"""What a query says about its own answer beside the values: warnings and infos.

They are Prometheus' annotations (util/annotations, 3.5): each is said once, with the place of the
expression that it is about.
"""

from __future__ import annotations

from longpole.analyzer.promql.expressions import Expression, unwrapped
from longpole.analyzer.promql.histogram_values import short
from longpole.analyzer.promql.selectors import NAME
from longpole.analyzer.promql.series import Floats, Labels

# Of each kind, in one answer.
MOST_SHOWN = 10
_MONOTONICITY = (
    "input to histogram_quantile needed to be fixed for monotonicity (see"
    " https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"
)
_NOT_COUNTER = (
    "metric might not be a counter, name does not end in _total/_sum/_count/_bucket:"
)  # fmt: skip


class Notes:
    """Collects what is said while a query is evaluated."""

    def __init__(self) -> None:
        self._said: dict[tuple[bool, str, int], None] = {}

    def _say(self, is_warning: bool, text: str, about: Expression) -> None:
        self._said[is_warning, text, unwrapped(about).at[0]] = None

    def warnings(self, query: str) -> tuple[str, ...]:
        """What makes an answer doubtful, with places in the text of the query."""
        return self._shown(True, query)

    def infos(self, query: str) -> tuple[str, ...]:
        """What is good to know."""
        return self._shown(False, query)

    def _shown(self, is_warning: bool, query: str) -> tuple[str, ...]:
        kind = "warning" if is_warning else "info"
        said = [
            f"PromQL {kind}: {text} ({_place(query, at)})"
            for wanted, text, at in sorted(self._said)
            if wanted is is_warning
        ]
        if len(said) <= MOST_SHOWN:
            return tuple(said)
        more = f"{len(said) - MOST_SHOWN} more {kind} annotations omitted"
        return (*said[:MOST_SHOWN], more)

    def bad_quantile(self, q: float, about: Expression) -> None:
        """A quantile below 0, above 1, or NaN."""
        self._say(True, f"quantile value should be between 0 and 1, got {short(q)}", about)

    def bad_quantiles(self, q: Floats, about: Expression | None) -> None:
        """Those of the quantiles of all steps."""
        for one in set(q[~((q >= 0) & (q <= 1))].tolist()):
            if about is not None:
                self.bad_quantile(one, about)

    def bad_bucket(self, labels: Labels, about: Expression) -> None:
        """A series without a bound that could be read, where buckets are wanted."""
        bound = dict(labels).get("le", "")
        text = f'bucket label "le" is missing or has a malformed value of {_quoted(bound)}'
        self._say(True, text + _of_metric(labels), about)

    def mixed_samples(self, labels: Labels, about: Expression) -> None:
        """Floats and histograms in one range."""
        text = "encountered a mix of histograms and floats for metric name"
        self._say(True, f"{text} {_quoted(_name(labels))}", about)

    def mixed_group(self, about: Expression) -> None:
        """Floats and histograms in one group."""
        self._say(True, "encountered a mix of histograms and floats for aggregation", about)

    def mixed_kinds(self, labels: Labels, about: Expression) -> None:
        """A classic and a native histogram of the same labels."""
        text = "vector contains a mix of classic and native histograms"
        self._say(True, text + _of_metric(labels), about)

    def no_counter(self, labels: Labels, about: Expression) -> None:
        """A rate of a gauge histogram."""
        text = "this native histogram metric is not a counter:"
        self._say(True, f"{text} {_quoted(_name(labels))}", about)

    def no_gauge(self, labels: Labels, about: Expression) -> None:
        """A delta of a histogram that counts up."""
        text = "this native histogram metric is not a gauge:"
        self._say(True, f"{text} {_quoted(_name(labels))}", about)

    def hardly_a_counter(self, name: str, about: Expression) -> None:
        """A rate of floats whose name is not that of a counter."""
        self._say(False, f"{_NOT_COUNTER} {_quoted(name)}", about)

    def forced_monotonicity(self, labels: Labels, about: Expression) -> None:
        """Cumulative counts of buckets that fell."""
        self._say(False, _MONOTONICITY + _of_metric(labels), about)

    def odd_operands(self, left: str, op: str, right: str, about: Expression) -> None:
        """An operation that these types of samples do not have."""
        text = f'incompatible sample types encountered for binary operator "{op}":'
        self._say(False, f"{text} {left} {op} {right}", about)

    def ignored_in_group(self, op: str, about: Expression) -> None:
        """Histograms that an aggregation of floats leaves out."""
        self._say(False, f"ignored histogram in {op} aggregation", about)

    def ignored_in_range(self, labels: Labels, about: Expression) -> None:
        """Histograms that a function of floats leaves out, beside floats."""
        text = "ignored histograms in a range containing both floats and histograms for metric name"
        self._say(False, f"{text} {_quoted(_name(labels))}", about)


def _name(labels: Labels) -> str:
    return next((value for label, value in labels if label == NAME), "")


def _of_metric(labels: Labels) -> str:
    return f" for metric name {_quoted(_name(labels))}"


def _quoted(text: str) -> str:
    import json

    return json.dumps(text[:200], ensure_ascii=False)


def _place(query: str, at: int) -> str:
    before = query[:at]
    column = len(before[before.rfind("\n") + 1 :].encode("utf-8", "replace")) + 1
    return f"{before.count(chr(10)) + 1}:{column}"
