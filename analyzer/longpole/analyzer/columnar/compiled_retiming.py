"""Retiming compiled: the loops of `retiming` on columns, without the GIL."""

from __future__ import annotations

from collections.abc import Callable

from longpole.analyzer.columnar import retiming
from longpole.model.compiling import INTS, OUT, compiled

COMPILED: dict[str, Callable[..., None]] = {
    "arrange": compiled(*[INTS] * 5, *[OUT] * 3)(retiming.arrange),
    "chains": compiled(*[INTS] * 9, *[OUT] * 3)(retiming.chains),
    "retime": compiled(*[INTS] * 20, *[OUT] * 5)(retiming.retime),
}
