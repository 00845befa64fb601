"""The catalog: every attribute key with its one SQL type, and every service with its colour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longpole.storage.duckdb.manifest import ServiceEntry

# The table an attribute hangs on, and the scope under which its key is listed.
SCOPE_OF_TABLE = {"spans": "span", "resources": "resource", "logs": "log"}
SQL_TYPE = {
    "str": "VARCHAR",
    "int": "BIGINT",
    "dbl": "DOUBLE",
    "bool": "BOOLEAN",
    "other": "VARCHAR",  # as JSON text
}
MAX_KEYS = 100_000  # a client that puts ids into keys must not fill the memory


def widest(first: str, second: str) -> str:
    """The type that holds both: BIGINT, then DOUBLE, then VARCHAR; BOOLEAN mixes with none."""
    if first == second:
        return first
    return "DOUBLE" if {first, second} == {"BIGINT", "DOUBLE"} else "VARCHAR"


class Catalog:
    """Grows as batches come in; the owner's lock guards it.

    `changed_keys` and `changed_services` are what the manifest does not know yet.
    """

    def __init__(
        self, keys: Mapping[tuple[str, str], str], services: Iterable[ServiceEntry]
    ) -> None:
        self.keys: dict[tuple[str, str], str] = dict(keys)
        self.services: dict[str, ServiceEntry] = {entry.name: entry for entry in services}
        self.changed_keys: dict[tuple[str, str], str] = {}
        self.changed_services: set[str] = set()
        self._known = {(scope, key, kind) for (scope, key), kind in self.keys.items()}
        self._noted_resources: set[int] = set()
        self._frozen_keys: dict[tuple[str, str], str] | None = None
        self._frozen_colours: dict[str, int] | None = None

    def note(self, table_name: str, table: pa.Table) -> None:
        """Learn the keys and types of a batch of `spans`, `resources` or `logs`."""
        scope = SCOPE_OF_TABLE.get(table_name)
        if scope is None or not table.num_rows:
            return
        if table_name == "resources":
            # The same few come with every request.
            ids = table.column("resource_id").to_pylist()
            if self._noted_resources.issuperset(ids):
                return
            if len(self._noted_resources) >= MAX_KEYS:
                self._noted_resources.clear()
            self._noted_resources.update(ids)
        for type_name, sql_type in SQL_TYPE.items():
            column = table.column(f"attr_{type_name}_keys")
            keys = pc.unique(pc.list_flatten(column))
            if len(keys):
                self.note_keys(scope, sql_type, keys.to_pylist())
        if table_name == "spans":
            self._note_services(table)

    def note_keys(self, scope: str, sql_type: str, keys: Iterable[str]) -> None:
        """Learn that these keys occur with this type."""
        for key in keys:
            if (scope, key, sql_type) in self._known:
                continue
            held = self.keys.get((scope, key))
            if held is None and len(self.keys) >= MAX_KEYS:
                continue
            wide = sql_type if held is None else widest(held, sql_type)
            self._known.add((scope, key, sql_type))
            if wide != held:
                self.keys[(scope, key)] = wide
                self.changed_keys[(scope, key)] = wide
                self._frozen_keys = None

    def attribute_types(self) -> Mapping[tuple[str, str], str]:
        """A copy that later batches do not change; the same object while nothing is new."""
        if self._frozen_keys is None:
            self._frozen_keys = dict(self.keys)
        return self._frozen_keys

    def service_colours(self) -> Mapping[str, int]:
        """The number of every service; the same object while there is no new one."""
        if self._frozen_colours is None:
            self._frozen_colours = {e.name: e.colour_index for e in self.services.values()}
        return self._frozen_colours

    def changes(self) -> tuple[dict[tuple[str, str], str], tuple[ServiceEntry, ...]]:
        """What to write to the manifest; `saved` then forgets exactly that."""
        return dict(self.changed_keys), tuple(self.services[n] for n in self.changed_services)

    def saved(self, keys: Mapping[tuple[str, str], str], services: Iterable[ServiceEntry]) -> None:
        """The manifest has these now."""
        for key, sql_type in keys.items():
            if self.changed_keys.get(key) == sql_type:
                del self.changed_keys[key]
        for entry in services:
            if self.services.get(entry.name) == entry:
                self.changed_services.discard(entry.name)

    def _note_services(self, spans: pa.Table) -> None:
        names = spans.column("service_name").combine_chunks().dictionary_encode()
        starts = spans.column("start_unix_nano").to_numpy()
        if len(names.dictionary) == 1:
            self.note_service(names.dictionary[0].as_py(), int(starts.min()), int(starts.max()))
            return
        codes = names.indices.to_numpy(zero_copy_only=False)
        order = np.argsort(codes, kind="stable")
        starts, codes = starts[order], codes[order]
        # Every code has rows, so that each begins where the codes change.
        begins = np.flatnonzero(np.diff(codes, prepend=-1))
        lows = np.minimum.reduceat(starts, begins).tolist()
        highs = np.maximum.reduceat(starts, begins).tolist()
        for name, low, high in zip(names.dictionary.to_pylist(), lows, highs, strict=True):
            self.note_service(name, low, high)

    def note_service(self, name: str, first_unix_nano: int, last_unix_nano: int) -> None:
        """Learn that a service had spans starting between these times."""
        held = self.services.get(name)
        if held is None:
            self._frozen_colours = None
            entry = ServiceEntry(name, len(self.services), first_unix_nano, last_unix_nano)
        elif first_unix_nano < held.first_seen_unix_nano or (
            last_unix_nano > held.last_seen_unix_nano
        ):
            entry = ServiceEntry(
                name,
                held.colour_index,
                min(first_unix_nano, held.first_seen_unix_nano),
                max(last_unix_nano, held.last_seen_unix_nano),
            )
        else:
            return
        self.services[name] = entry
        self.changed_services.add(name)
