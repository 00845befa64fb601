"""Adds up RED rows of all services over time.

A sealed segment never changes, so its sums by step are worked out once and kept; later questions
add up those few rows. What a later revision hides in a segment is taken off again:

    answer = sum over segments (sums of all rows - sums of hidden rows) + sums of hot rows
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from longpole.model import columns
from longpole.model.span import StatusCode
from longpole.storage.answers import RED_SERIES
from longpole.storage.duckdb.read.made_of_hot import MadeOfHot
from longpole.storage.duckdb.read.part import Part, parts_of
from longpole.storage.duckdb.read.stored_rows import arrow
from longpole.storage.duckdb.read.views import latest_only
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.duckdb.unfolding import bare_rows
from longpole.storage.red_answers import RedQuery, RedSeries

if TYPE_CHECKING:
    import duckdb

# Sums are kept for these steps, each a multiple of the one before.
CUBE_STEPS_NS = tuple(s * columns.RED_STEP_NS for s in (1, 6, 30, 90, 360))
_LARGEST = (1 << 63) - 1
_KEY = ("step_unix_nano", "service", "operation", "kind", "status_code")
_BUCKETS = tuple(f"b{place}" for place in range(len(columns.RED_BOUNDS_NS) + 1))
# Nanoseconds in two halves: durations that somebody made up may not fit in 64 bits together.
_WIDE = ("duration_sum_ns", "critical_ns")
_HALVES = tuple(f"{name}_{half}" for name in _WIDE for half in ("high", "low"))
_SUMS = ("count", "errors", *_HALVES, *_BUCKETS)
_CUBES = "longpole_red_cubes"


class RedCubes:
    """Sums of segments that were asked for before; the least recently used are forgotten when
    all of them have more than `most_rows`. Any thread may use it."""

    def __init__(self, most_rows: int = 1_000_000) -> None:
        self._most_rows = most_rows
        self._held: OrderedDict[Hashable, pa.Table] = OrderedDict()
        self._hot = MadeOfHot[pa.Table]()
        self._rows = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], pa.Table]) -> pa.Table:
        """What is kept under this key, or what `make` gives."""
        with self._lock:
            held = self._held.get(key)
            if held is not None:
                self._held.move_to_end(key)
                return held
        made = make()
        with self._lock:
            if key not in self._held:
                self._held[key] = made
                self._rows += made.num_rows + 1
            while self._rows > self._most_rows:
                _, gone = self._held.popitem(last=False)
                self._rows -= gone.num_rows + 1
        return made

    def hot(self, snapshot: Snapshot, step: int, make: Callable[[], pa.Table]) -> pa.Table:
        """The sums of the hot rows of a snapshot: those kept, or what `make` gives."""
        return self._hot.get(step, (snapshot.hot["red"], snapshot.superseded), make)


def read_red_series(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, query: RedQuery, cubes: RedCubes
) -> RedSeries:
    """Answer `TraceReader.red_series`."""
    step = cube_step(query.step_ns)
    signed: list[tuple[int, pa.Table]] = []
    for part in parts_of(snapshot, "red"):
        signed += cubes_of(snapshot, part, step, cubes, partial(_cube, connection, part, step))
    unsettled = len(snapshot.pending)
    signed = [(sign, cube) for sign, cube in signed if cube.num_rows]
    if not signed:
        return RedSeries(RED_SERIES.empty_table(), unsettled)
    for place, (_, cube) in enumerate(signed):
        connection.register(f"{_CUBES}_{place}", cube)
    return RedSeries(_added_up(connection, [sign for sign, _ in signed], query), unsettled)


def cube_step(step_ns: int) -> int:
    """The longest kept step of which the ones asked for are made."""
    # The same for questions that do not tell steps apart, so that they find what series left.
    return max(step for step in CUBE_STEPS_NS if not step_ns % step)


def cubes_of(
    snapshot: Snapshot, part: Part, step: int, cubes: RedCubes, make: Callable[[str], pa.Table]
) -> list[tuple[int, pa.Table]]:
    """The sums of one part, and what has to be taken off them; `make` gives those of the rows
    (alias `s`) that meet a condition, "" for all."""
    if part.segment is None:
        visible = latest_only("s") if snapshot.superseded.num_rows else ""
        return [(1, cubes.hot(snapshot, step, lambda: make(visible)))]
    number = part.segment.segment_id
    signed = [(1, cubes.get((number, step), lambda: make("")))]
    if snapshot.superseded.num_rows:
        hi, lo = (snapshot.superseded.column(n).to_numpy() for n in ("trace_hi", "trace_lo"))
        here = part.segment.bloom.contains(hi, lo)
        if here.any():
            hidden = snapshot.superseded.filter(pa.array(here)).combine_chunks()
            key = (
                number,
                step,
                *(hidden.column(n).to_numpy().tobytes() for n in hidden.schema.names),
            )
            is_hidden = f"NOT {latest_only('s')}"
            signed.append((-1, cubes.get(key, lambda: make(is_hidden))))
    return signed


def _cube(
    connection: duckdb.DuckDBPyConnection, part: Part, step: int, condition: str = ""
) -> pa.Table:
    if part.segment is not None and part.is_all_folded("red"):
        return arrow(connection, _folded_cube(part.segment.alias, step, condition))
    halves = _halves(_WIDE)
    buckets = ", ".join(
        f"CAST(sum(bucket_counts[{place + 1}]) AS BIGINT) AS {name}"
        for place, name in enumerate(_BUCKETS)
    )
    where = f" AND {condition}" if condition else ""
    return arrow(
        connection,
        f"SELECT step_unix_nano - step_unix_nano % {step} AS step_unix_nano, service, operation,"
        " kind, status_code, CAST(sum(count) AS BIGINT) AS count,"
        f" CAST(sum(errors) AS BIGINT) AS errors, {halves}, {buckets},"
        " max(duration_sum_ns // greatest(count, 1)) AS slowest_ns,"
        " arg_max({'hi': trace_hi, 'lo': trace_lo}, duration_sum_ns // greatest(count, 1))"
        " AS exemplar"
        f" FROM {part.relation('red')} s WHERE step_unix_nano >= 0{where} GROUP BY ALL",
    )


def _halves(names: Sequence[str]) -> str:
    return ", ".join(
        f"CAST(sum({name} >> 32) AS BIGINT) AS {name}_high,"
        f" CAST(sum({name} & 4294967295) AS BIGINT) AS {name}_low"
        for name in names
    )


def _folded_cube(alias: str, step: int, condition: str) -> str:
    """The same from folded rows: first by what the lists say, which is many rows and few different
    numbers; then by what the dictionaries make of it."""
    where = f" AND {condition}" if condition else ""
    at = f"s.start + s.step::BIGINT * {columns.RED_STEP_NS}"
    rows = bare_rows(alias, "red", ("step", "bucket", "duration", "critical"))
    by_place = (
        f"SELECT {at} - ({at}) % {step} AS step_unix_nano, kind AS place, bucket, count(*) AS n,"
        f" {_halves(('duration', 'critical'))}, max(duration) AS slowest,"
        " arg_max({'hi': trace_hi, 'lo': trace_lo}, duration) AS exemplar"
        f" FROM ({rows}) s WHERE kind IS NOT NULL AND {at} >= 0{where} GROUP BY 1, 2, 3"
    )
    halves = ", ".join(
        f"CAST(coalesce(sum(r.{short}_{half}), 0) AS BIGINT) AS {name}_{half}"
        for short, name in zip(("duration", "critical"), _WIDE, strict=True)
        for half in ("high", "low")
    )
    buckets = ", ".join(
        f"CAST(sum(r.n * b.bucket_counts[{place + 1}]) AS BIGINT) AS {name}"
        for place, name in enumerate(_BUCKETS)
    )
    slowest = "r.slowest // greatest(b.count, 1)"
    is_error = f"k.status_code = {int(StatusCode.ERROR)}"
    return (
        "SELECT r.step_unix_nano, k.service, k.operation, k.kind, k.status_code,"
        " CAST(sum(r.n * b.count) AS BIGINT) AS count,"
        f" CAST(coalesce(sum(r.n * b.count) FILTER ({is_error}), 0) AS BIGINT) AS errors,"
        f" {halves}, {buckets}, max({slowest}) AS slowest_ns,"
        f" arg_max(r.exemplar, {slowest}) AS exemplar FROM ({by_place}) r"
        f" JOIN {alias}.main.red_kinds k ON k.place = r.place"
        f" JOIN {alias}.main.red_buckets b ON b.place = r.bucket GROUP BY ALL"
    )


def _added_up(connection: duckdb.DuckDBPyConnection, signs: list[int], query: RedQuery) -> pa.Table:
    names = ", ".join((*_KEY, *_SUMS))
    exemplar = "slowest_ns, exemplar"
    negated = ", ".join((*_KEY, *(f"-{name} AS {name}" for name in _SUMS)))
    none = "NULL AS slowest_ns, NULL AS exemplar"
    conditions, parameters = _conditions(query)
    union = " UNION ALL ".join(
        f"SELECT {f'{names}, {exemplar}' if sign > 0 else f'{negated}, {none}'}"
        f" FROM {_CUBES}_{place} WHERE {conditions}"
        for place, sign in enumerate(signs)
    )
    start = query.time.start_unix_nano
    by_step = f"step_unix_nano - step_unix_nano % {query.step_ns}"
    key = {
        "step_unix_nano": by_step if query.by_step else f"CAST({start} AS BIGINT)",
        "service": "service",
        "operation": "operation" if query.by_operation else "''",
        "kind": "kind",
        "status_code": "status_code",
    }
    wide = ", ".join(
        f"CAST(least(sum({name}_high)::HUGEINT * 4294967296 + sum({name}_low), {_LARGEST})"
        f" AS BIGINT) AS {name}"
        for name in _WIDE
    )
    chosen = _BUCKETS if query.with_buckets else ()
    buckets = ", ".join(f"CAST(sum({name}) AS BIGINT)" for name in chosen)
    rows = arrow(
        connection,
        f"SELECT {', '.join(f'{sql} AS k_{name}' for name, sql in key.items())},"
        " CAST(sum(count) AS BIGINT) AS count, CAST(sum(errors) AS BIGINT) AS errors,"
        f" {wide}, CAST([{buckets}] AS BIGINT[]) AS bucket_counts,"
        " arg_max(exemplar, slowest_ns) AS exemplar"
        f" FROM ({union}) GROUP BY ALL HAVING sum(count) > 0"
        f" ORDER BY {', '.join(f'k_{name}' for name in key)}",
        parameters * len(signs),
    )
    exemplars = rows.column("exemplar").combine_chunks()
    rows = rows.rename_columns([name.removeprefix("k_") for name in rows.column_names])
    for half in ("hi", "lo"):
        rows = rows.append_column(f"exemplar_{half}", pc.struct_field(exemplars, half))
    return rows.select(RED_SERIES.names).cast(RED_SERIES)


def _conditions(query: RedQuery) -> tuple[str, list[object]]:
    conditions = ["step_unix_nano >= ?", "step_unix_nano < ?"]
    parameters: list[object] = [query.time.start_unix_nano, query.time.end_unix_nano]
    if query.services:
        conditions.append(f"service IN ({', '.join('?' * len(query.services))})")
        parameters += query.services
    if query.operation is not None:
        conditions.append("operation = ?")
        parameters.append(query.operation)
    return " AND ".join(conditions), parameters
