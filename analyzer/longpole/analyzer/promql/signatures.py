"""The functions of stable PromQL: what they take and what they yield."""

from __future__ import annotations

from dataclasses import dataclass

from longpole.analyzer.promql.expressions import ValueType

_S, _T, _V, _M = ValueType.SCALAR, ValueType.STRING, ValueType.VECTOR, ValueType.MATRIX


@dataclass(frozen=True, slots=True)
class Signature:
    """`optional` of the last arguments may be left out; `is_variadic`: the last one may come any
    number of times, also not at all."""

    arguments: tuple[ValueType, ...]
    returns: ValueType = _V
    optional: int = 0
    is_variadic: bool = False

    @property
    def least(self) -> int:
        """The smallest number of arguments."""
        return len(self.arguments) - (1 if self.is_variadic else self.optional)

    @property
    def most(self) -> int | None:
        """The largest number of arguments; None for any."""
        return None if self.is_variadic else len(self.arguments)

    def type_of(self, index: int) -> ValueType:
        """The type of one argument."""
        return self.arguments[min(index, len(self.arguments) - 1)]


_ONE_VECTOR = (
    "abs absent acos acosh asin asinh atan atanh ceil cos cosh deg exp floor histogram_avg"
    " histogram_count histogram_stddev histogram_stdvar histogram_sum ln log10 log2 rad sgn sin"
    " sinh sort sort_desc sqrt tan tanh timestamp"
)
_ONE_RANGE = (
    "absent_over_time avg_over_time changes count_over_time delta deriv idelta increase irate"
    " last_over_time max_over_time min_over_time present_over_time rate resets stddev_over_time"
    " stdvar_over_time sum_over_time"
)
_OF_TIME = "day_of_month day_of_week day_of_year days_in_month hour minute month year"

SIGNATURES: dict[str, Signature] = {
    **{name: Signature((_V,)) for name in _ONE_VECTOR.split()},
    **{name: Signature((_M,)) for name in _ONE_RANGE.split()},
    **{name: Signature((_V,), optional=1) for name in _OF_TIME.split()},
    "clamp": Signature((_V, _S, _S)),
    "clamp_max": Signature((_V, _S)),
    "clamp_min": Signature((_V, _S)),
    "histogram_fraction": Signature((_S, _S, _V)),
    "histogram_quantile": Signature((_S, _V)),
    "label_join": Signature((_V, _T, _T, _T), is_variadic=True),
    "label_replace": Signature((_V, _T, _T, _T, _T)),
    "pi": Signature((), returns=_S),
    "predict_linear": Signature((_M, _S)),
    "quantile_over_time": Signature((_S, _M)),
    "round": Signature((_V, _S), optional=1),
    "scalar": Signature((_V,), returns=_S),
    "time": Signature((), returns=_S),
    "vector": Signature((_S,)),
}
