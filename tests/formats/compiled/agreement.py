"""Whether the loops make of a request what the reference decoder makes of it."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from longpole.formats import otlp
from longpole.formats.any_value import varint
from longpole.formats.compiled.decoder import FastDecoder, by_loops
from longpole.formats.compiled.readiness import load
from longpole.model.readiness import CompiledCode, Readiness
from longpole.model.signals import Signal
from longpole.model.telemetry import Telemetry
from tests.formats.comparison import identical

relaxed = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def agrees(body: bytes, signal: Signal = Signal.TRACES) -> bool:
    """Whether the loops read the body; what they make of it is what the reference makes."""
    read = by_loops(signal, body)
    if read is None:
        return False
    same(read, otlp.decode(signal, body))
    return True


def same(read: Telemetry, expected: Telemetry) -> None:
    """Fails unless both say the same, to the last bit of a row."""
    for table in read.tables.values():
        table.validate(full=True)
    assert identical(read.tables, expected.tables)
    assert read.body == expected.body
    assert (read.rejected, read.problems) == (expected.rejected, expected.problems)
    assert read.has_time == expected.has_time


HOWEVER_SMALL = dict.fromkeys(Signal, 0)


class Ready(CompiledCode):
    """Loops that were loaded by the tests."""

    def __init__(self) -> None:
        super().__init__("none", load, "none")
        self._state = Readiness.READY


def decoded(body: bytes, signal: Signal = Signal.TRACES) -> Telemetry:
    """What a server makes of a request, however small, whose loops are ready."""
    return FastDecoder(Ready(), HOWEVER_SMALL)(signal, body)


def request_of(record: bytes) -> bytes:
    """A request of one encoded record, of a service without a name."""
    return field(1, field(2, field(2, record)))


def field(number: int, content: bytes) -> bytes:
    """A field that has a length, as it is encoded."""
    return varint(number << 3 | 2) + varint(len(content)) + content
