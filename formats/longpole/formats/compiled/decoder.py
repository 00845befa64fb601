"""The decoder of a server: compiled loops where they can be had, the reference everywhere else.

It gives what `otlp.decode` gives, of anything. The loops read requests as SDKs send them;
what is broken, altered or unusual is the reference's, and so are small requests, for which
putting columns together takes longer than reading messages.
"""

from __future__ import annotations

from collections.abc import Mapping

from longpole.formats import otlp
from longpole.formats.compiled.readiness import DECODING
from longpole.model.columns import ROWS_PER_REQUEST_BITS
from longpole.model.readiness import CompiledCode
from longpole.model.signals import Signal
from longpole.model.telemetry import Telemetry

# About eight spans, six log records, twelve points.
LEAST_BYTES: Mapping[Signal, int] = {
    Signal.TRACES: 4 << 10,
    Signal.LOGS: 4 << 10,
    Signal.METRICS: 2 << 10,
}


class FastDecoder:
    """A `Decoder`. It may be called by many threads; the loops let others run meanwhile."""

    def __init__(
        self, code: CompiledCode = DECODING, least_bytes: Mapping[Signal, int] = LEAST_BYTES
    ) -> None:
        self._code, self._least_bytes = code, least_bytes

    def __call__(self, signal: Signal, body: bytes) -> Telemetry:
        """As `otlp.decode`."""
        if len(body) >= self._least_bytes[signal] and self._code.is_ready:
            telemetry = by_loops(signal, body)
            if telemetry is not None:
                return telemetry
        return otlp.decode(signal, body)


def by_loops(signal: Signal, body: bytes) -> Telemetry | None:
    """A request by the loops, which must be ready; None for one that is the reference's."""
    # Imports Numba, which a client command has no time for.
    from longpole.formats.compiled.tables import TABLES

    read = TABLES[signal](body)
    if read is None:
        return None
    tables, has_time = read
    telemetry = Telemetry(signal, tables, body, has_time=has_time)
    return None if telemetry.accepted >> ROWS_PER_REQUEST_BITS else telemetry
