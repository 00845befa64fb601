"""Decodes the requests of strangers: the same rows as `otlp` gives, in bounded memory.

Decoding takes a few hundred bytes for each part of a message, so a big body is decoded in
slices, and only the Arrow columns of all of them are ever in memory together.
"""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.message import DecodeError

from longpole.formats import otlp, request_weight
from longpole.formats.json_text import parse_json
from longpole.formats.otlp_json import request_of_tree
from longpole.formats.plain_json import encoded
from longpole.formats.request_slices import SLICE_BYTES, slices
from longpole.formats.request_weight import RequestTooHeavy
from longpole.formats.tally import EXAMPLES_KEPT, Tally
from longpole.model.problem import Problem
from longpole.model.signals import Signal
from longpole.model.telemetry import TABLES_OF_SIGNAL, Telemetry

MAX_TABLE_BYTES = 192 << 20
# A span or point of nothing but ids and a time takes seven times its bytes as a row.
_ROWS_PER_BYTE = 8
_ROOM_FOR_ALL = 16 << 20
# Saving a part copies what surrounds it at each level; see `salvage`.
MAX_SALVAGED_BYTES = 4 << 20
# A byte that is no UTF-8 becomes three.
MAX_ALTERED_BYTES = 96 << 20
_ONE_CHUNK_BYTES = 32 << 20
_KEYS = {"resources": "resource_id", "scopes": "scope_id", "metric_series": "series_id"}


def decode(
    signal: Signal,
    body: bytes,
    slice_bytes: int = SLICE_BYTES,
    max_table_bytes: int = MAX_TABLE_BYTES,
    decoder: otlp.Decoder = otlp.decode,
) -> Telemetry:
    """What `otlp.decode` gives, and `decoder` with it, save that problems of a resource, scope
    or metric may be counted once per slice and stand in another order. Raises
    `MalformedRequest`, of which `RequestTooHeavy` is the kind that another batch size helps
    against."""
    if len(body) <= slice_bytes:
        return decoder(signal, body)
    joined = _Joined(signal, min(max_table_bytes, _ROOM_FOR_ALL + _ROWS_PER_BYTE * len(body)))
    altered: dict[int, bytes] = {}
    altered_bytes = 0
    for index, piece in enumerate(slices(signal, body, slice_bytes)):
        if len(piece) > 2 * slice_bytes:
            if piece == body:
                piece = body  # one copy less of what may be 64 MiB
            _check_big(signal, piece)
        part = decoder(signal, piece)
        if part.body != piece:
            altered[index] = part.body
            altered_bytes += len(part.body)
            if altered_bytes > MAX_ALTERED_BYTES:
                raise RequestTooHeavy(
                    f"Repairing the request would take more than {MAX_ALTERED_BYTES >> 20} MiB; "
                    "nothing was kept. Lower the sender's batch size."
                )
        joined.add(part)
        del piece, part
    if altered:
        # Cutting again is cheaper than keeping all slices for the rare request that is odd.
        whole = io.BytesIO()
        for index, piece in enumerate(slices(signal, body, slice_bytes)):
            whole.write(altered.pop(index, piece))
        body = whole.getvalue()
    return joined.telemetry(body)


def decode_json(
    signal: Signal,
    body: bytes,
    slice_bytes: int = SLICE_BYTES,
    max_table_bytes: int = MAX_TABLE_BYTES,
    decoder: otlp.Decoder = otlp.decode,
) -> Telemetry:
    """The same for `otlp.decode_json`; the protobuf in between is read by `decoder`."""
    if len(body) > slice_bytes:
        request_weight.check_json(body)
    tally = Tally()
    binary = _protobuf(signal, body, tally)
    telemetry = decode(signal, binary, slice_bytes, max_table_bytes, decoder)
    if not tally.problems():
        return telemetry
    return Telemetry(
        signal,
        telemetry.tables,
        telemetry.body,
        tally.rejected + telemetry.rejected,
        _merged([*tally.problems(), *telemetry.problems]),
        telemetry.has_time,
    )


def _protobuf(signal: Signal, body: bytes, tally: Tally) -> bytes:
    tree = parse_json(body, tally)
    plain = encoded(signal, tree)
    if plain is not None:
        return plain
    return bytes(request_of_tree(otlp.REQUESTS[signal], tree, tally).SerializeToString())


def _check_big(signal: Signal, piece: bytes) -> None:
    request_type = otlp.REQUESTS[signal]
    request_weight.check(request_type, piece)
    if len(piece) <= MAX_SALVAGED_BYTES:
        return
    try:
        request_type.FromString(piece)
    except DecodeError:
        raise RequestTooHeavy(
            f"A record of {len(piece)} bytes is broken, nested too deep or not UTF-8, and too "
            "large to be saved in part; nothing was kept."
        ) from None


class _Joined:
    """The rows of all slices so far."""

    def __init__(self, signal: Signal, max_table_bytes: int) -> None:
        self._signal = signal
        self._max_table_bytes = max_table_bytes
        self._tables: dict[str, list[pa.Table]] = {name: [] for name in TABLES_OF_SIGNAL[signal]}
        self._table_bytes = 0
        self._accepted = 0
        self._rejected = 0
        self._problems: list[Problem] = []
        self._has_time = False

    def add(self, part: Telemetry) -> None:
        """Append a slice. Raises `RequestTooHeavy` when the rows outgrow their room."""
        for name, table in part.tables.items():
            if not table.num_rows:
                continue
            if self._accepted and "row_id" in table.column_names:
                shifted = pc.add(table["row_id"], pa.scalar(self._accepted, pa.uint64()))
                place = table.schema.get_field_index("row_id")
                table = table.set_column(place, table.schema.field(place), shifted)
            self._tables[name].append(table)
            self._table_bytes += table.nbytes
        if self._table_bytes > self._max_table_bytes:
            self._table_bytes = 0
            for name in self._tables:
                self._tables[name] = [self._table(name)]
                self._table_bytes += self._tables[name][0].nbytes
            if self._table_bytes > self._max_table_bytes:
                raise RequestTooHeavy(
                    f"The rows of the request take more than {self._max_table_bytes >> 20} MiB; "
                    "nothing was kept. Lower the sender's batch size."
                )
        self._accepted += part.accepted
        self._rejected += part.rejected
        self._problems = list(_merged([*self._problems, *part.problems]))
        self._has_time = self._has_time or part.has_time

    def _table(self, name: str) -> pa.Table:
        schema = TABLES_OF_SIGNAL[self._signal][name]
        table = pa.concat_tables([schema.empty_table(), *self._tables[name]])
        if name in _KEYS:
            _, first = np.unique(table[_KEYS[name]].to_numpy(), return_index=True)
            if len(first) < table.num_rows:
                table = table.take(pa.array(np.sort(first)))
        return table

    def telemetry(self, body: bytes) -> Telemetry:
        """All slices as one."""
        tables = {}
        for name in list(self._tables):
            table = self._table(name)
            self._tables[name] = []
            # Readers like one chunk better, where it costs little to make.
            tables[name] = table.combine_chunks() if table.nbytes < _ONE_CHUNK_BYTES else table
        return Telemetry(
            self._signal, tables, body, self._rejected, tuple(self._problems), self._has_time
        )


def _merged(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """One problem per code: the first text, all counts, the first examples."""
    by_code: dict[str, Problem] = {}
    for problem in problems:
        known = by_code.get(problem.code)
        if known is None:
            by_code[problem.code] = problem
            continue
        by_code[problem.code] = Problem(
            known.code,
            known.message,
            known.severity,
            known.count + problem.count,
            (*known.span_ids, *problem.span_ids)[:EXAMPLES_KEPT],
        )
    return tuple(by_code.values())
