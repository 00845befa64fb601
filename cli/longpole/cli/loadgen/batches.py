"""The requests of one process: a few encoded ones in turn, each made distinct before it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longpole.cli.loadgen.made_logs import made_logs
from longpole.cli.loadgen.made_metrics import made_metrics
from longpole.cli.loadgen.made_traces import made_traces
from longpole.cli.loadgen.mixing import U64, mixed
from longpole.cli.loadgen.placeholders import Kind
from longpole.cli.loadgen.plan import Plan
from longpole.cli.loadgen.request import MadeRequest
from longpole.cli.loadgen.templates import Template
from longpole.model.signals import Signal

_MAKERS: Mapping[Signal, Callable[[str, int, int, int], MadeRequest]] = {
    Signal.TRACES: made_traces,
    Signal.LOGS: made_logs,
    Signal.METRICS: made_metrics,
}
# Records that the templates of a process hold in all.
_TEMPLATE_RECORDS = 4096
_MOST_TEMPLATES = 64
# Counters of different things begin so far from each other that they never meet.
_APART = 1 << 40
_AREAS = {Kind.SPAN: 0, Kind.TRACE_HI: 1, Kind.TRACE_LO: 2, Kind.TOKEN: 3}
# The lower bits of a metric point's time number its request, so that it can be told.
TIME_BITS = 24


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A template, and for the times of each kind their unit and offset."""

    template: Template
    units: int
    owners: Mapping[Kind, npt.NDArray[np.int64]]
    offsets: Mapping[Kind, npt.NDArray[np.int64]]


class Batches:
    """Makes requests. Numbers of requests are the caller's; one number is used once a run."""

    def __init__(self, plan: Plan, worker: int, template_records: int = _TEMPLATE_RECORDS) -> None:
        """Encodes the templates, which takes some tenths of a second."""
        self._plan = plan
        self._random = np.random.default_rng((plan.seed, worker))
        count = max(2, min(_MOST_TEMPLATES, template_records // plan.batch))
        self._prepared = [
            _prepared(plan, plan.seed * 1000 + worker * 100 + one) for one in range(count)
        ]

    def request(self, number: int, now_unix_nano: int) -> bytes:
        """Request `number` of the run, whose records begin about now."""
        prepared = self._prepared[number % len(self._prepared)]
        counts = prepared.template.counts
        values: dict[Kind, U64] = {}
        for kind in _AREAS:
            first = self._first(kind, number)
            values[kind] = mixed(np.arange(first, first + counts[kind], dtype=np.uint64))
        random = self._random
        # Each trace as a whole takes half to one and a half times as long as encoded.
        stretch = random.uniform(0.5, 1.5, prepared.units)
        begin = now_unix_nano - random.integers(0, 10**9, prepared.units)
        for kind, offsets in prepared.offsets.items():
            owners = prepared.owners[kind]
            values[kind] = (begin[owners] + (offsets * stretch[owners]).astype(np.int64)).astype(
                np.uint64
            )
        if self._plan.signal is Signal.METRICS:
            time = now_unix_nano >> TIME_BITS << TIME_BITS | number & ((1 << TIME_BITS) - 1)
            values[Kind.END] = np.full(counts[Kind.END], time, np.uint64)
        for kind in (Kind.INTEGER, Kind.DOUBLE):
            values[kind] = random.integers(10**9, 10**10, counts[kind]).astype(np.uint64)
        return prepared.template.filled(values)

    def trace_id(self, number: int) -> str:
        """The first trace of a request, in hexadecimal digits."""
        halves = (self._first(kind, number) for kind in (Kind.TRACE_HI, Kind.TRACE_LO))
        return "".join(f"{int(mixed(np.array([half], np.uint64))[0]):016x}" for half in halves)

    def _first(self, kind: Kind, number: int) -> int:
        return self._plan.id_base + _AREAS[kind] * _APART + number * self._room(kind)

    def _room(self, kind: Kind) -> int:
        """How many numbers of a kind each request has for itself."""
        tokens = max(1, self._plan.attributes) if kind is Kind.TOKEN else 1
        return tokens * self._plan.batch


def _prepared(plan: Plan, seed: int) -> _Prepared:
    made = _MAKERS[plan.signal](plan.service_prefix, plan.batch, plan.attributes, seed)
    times = made.times
    return _Prepared(
        Template(made.message, made.made, made.records, plan.protocol == "http/json"),
        times.units + 1,
        {kind: np.array(owners, np.int64) for kind, owners in times.owners.items()},
        {kind: np.array(offsets, np.int64) for kind, offsets in times.offsets.items()},
    )
